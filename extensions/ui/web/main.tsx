import * as React from 'react';
import { createRoot } from 'react-dom/client';

import '../style/ui.css';
import './pages.css';

import { Api } from './api';
import { App } from './App';
import { TrackingCatalog } from './catalogClient';
import { Directory } from './directory';
import { parsed, text } from './json';
import { TrackingRuns } from './runsClient';

/** What the server wrote into the page: its base, and the answers to first questions. */
const given = parsed(document.getElementById('first')?.textContent);
const root = document.getElementById('root');

if (root !== null) {
  const api = new Api(text(given.base), given.answers, window.location.origin);
  const directory = new Directory(api);
  createRoot(root).render(
    <App
      base={api.base}
      notice={text(given.notice)}
      plotFrame={`${api.base}/plot-frame`}
      client={new TrackingRuns(api, directory)}
      catalog={new TrackingCatalog(api, directory)}
    />
  );
}
