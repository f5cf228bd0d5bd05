import { LabIcon } from '@jupyterlab/ui-components';

const RUNS = `<svg xmlns="http://www.w3.org/2000/svg" width="16" height="16" viewBox="0 0 24 24">
  <g class="jp-icon3 jp-icon-selectable" fill="#616161">
    <path d="M3 4.5h9a1 1 0 0 1 0 2H3a1 1 0 0 1 0-2zm0 6.5h7a1 1 0 0 1 0 2H3a1 1 0 0 1 0-2zm0 6.5h5a1 1 0 0 1 0 2H3a1 1 0 0 1 0-2z"/>
    <path d="M13.2 10.4c0-.8.9-1.3 1.6-.9l6.6 4.1c.7.4.7 1.4 0 1.8l-6.6 4.1c-.7.4-1.6-.1-1.6-.9z"/>
  </g>
</svg>`;

const RUN_REMOTELY = `<svg xmlns="http://www.w3.org/2000/svg" width="16" height="16" viewBox="0 0 24 24">
  <g class="jp-icon3" fill="#616161">
    <path d="M6.5 19a4.5 4.5 0 0 1-.6-8.96A6.2 6.2 0 0 1 17.9 8.6 5.2 5.2 0 0 1 18.6 19h-2.1a1 1 0 0 1 0-2h2a3.2 3.2 0 0 0 0-6.4h-1.2l-.2-1A4.2 4.2 0 0 0 8.9 10l.1.9-1.1.9-1.3.2A2.5 2.5 0 0 0 6.5 17h1a1 1 0 0 1 0 2z"/>
    <path d="M9.6 13.2c0-.8.8-1.2 1.5-.8l5 3.2c.6.4.6 1.2 0 1.6l-5 3.2c-.7.4-1.5 0-1.5-.8z"/>
  </g>
</svg>`;

const STARTER = `<svg xmlns="http://www.w3.org/2000/svg" width="32" height="32" viewBox="0 0 24 24">
  <g class="jp-icon3" fill="#616161">
    <path d="M5 3h10a1 1 0 0 1 1 1v4h-2V5H7v14h4v2H5a1 1 0 0 1-1-1V4a1 1 0 0 1 1-1z"/>
    <path d="M8.5 8h4v1.6h-4zm0 3.2h3v1.6h-3z"/>
  </g>
  <path fill="#f37626" d="M17.5 10l1.4 4.1 4.1 1.4-4.1 1.4-1.4 4.1-1.4-4.1-4.1-1.4 4.1-1.4z"/>
</svg>`;

export const runsIcon = new LabIcon({ name: 'waylab:runs', svgstr: RUNS });

export const runRemotelyIcon = new LabIcon({
  name: 'waylab:run-remotely',
  svgstr: RUN_REMOTELY
});

export const starterIcon = new LabIcon({
  name: 'waylab:starter',
  svgstr: STARTER
});
