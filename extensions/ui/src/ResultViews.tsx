import * as React from 'react';

import type { Plot } from './catalog';
import { useServices } from './context';
import { Notice, Table } from './parts';
import { PlaceLink, usePages } from './places';
import { Reading } from './Reading';

const INTERVAL_MS = 6000;
const SHOWN_ROWS = 200;

interface OfRun {
  readonly id: string;
  readonly live: boolean;
}

/** The configuration texts that a run was given or gave itself, and its models. */
export function ConfigurationView({ id, live }: OfRun): JSX.Element {
  const { trans } = useServices();
  const { catalog } = usePages();
  const read = React.useCallback(
    () => Promise.all([catalog.configurations(id), catalog.modelsOfRun(id)]),
    [catalog, id]
  );
  return (
    <Reading
      read={read}
      everyMs={INTERVAL_MS}
      active={live}
      failure={trans.__('The configuration cannot be shown')}
    >
      {([texts, models]) =>
        texts.length === 0 && models.length === 0 ? (
          <Notice title={trans.__('No configuration')}>
            {trans.__('Task.connect_configuration(…) keeps one with the run.')}
          </Notice>
        ) : (
          <>
            {models.length > 0 && (
              <section className="wl-Section">
                <h2>{trans.__('Models')}</h2>
                <ul className="wl-Plain">
                  {models.map(model => (
                    <li key={`${model.id} ${model.input}`}>
                      {model.input ? trans.__('Uses') : trans.__('Made')}{' '}
                      <PlaceLink to={{ kind: 'model', id: model.id }}>
                        {model.name}
                      </PlaceLink>
                    </li>
                  ))}
                </ul>
              </section>
            )}
            {texts.map(one => (
              <section key={one.name} className="wl-Section">
                <h2>{one.name}</h2>
                <pre
                  className="wl-Text"
                  tabIndex={0}
                  aria-label={one.name}
                  role="region"
                >
                  {one.text}
                </pre>
              </section>
            ))}
          </>
        )
      }
    </Reading>
  );
}

/** The last plot of each name: a picture, a table or a figure. */
export function PlotsView({ id, live }: OfRun): JSX.Element {
  const { trans } = useServices();
  const { catalog } = usePages();
  const read = React.useCallback(() => catalog.plots(id), [catalog, id]);
  return (
    <Reading
      read={read}
      everyMs={INTERVAL_MS}
      active={live}
      failure={trans.__('The plots cannot be shown')}
    >
      {plots =>
        plots.length === 0 ? (
          <Notice title={trans.__('No plots yet')}>
            {trans.__('Logger.report_plotly(…) and its like, or Matplotlib.')}
          </Notice>
        ) : (
          <div className="wl-Plots">
            {plots.map(plot => (
              <PlotFigure key={`${plot.metric}\n${plot.variant}`} plot={plot} />
            ))}
          </div>
        )
      }
    </Reading>
  );
}

function PlotFigure({ plot }: { readonly plot: Plot }): JSX.Element {
  const { trans } = useServices();
  const name = [plot.metric, plot.variant].filter(Boolean).join(' / ');
  return (
    <figure className="wl-Chart">
      <figcaption className="wl-Chart-title" title={name}>
        {name}{' '}
        <span className="wl-Dim">
          {trans.__('iteration %1', plot.iteration)}
        </span>
      </figcaption>
      {plot.picture ? (
        <img src={plot.picture} alt={name} className="wl-Plot-picture" />
      ) : plot.table !== null ? (
        <div className="wl-Scroll" tabIndex={0} role="region" aria-label={name}>
          <Table label={name} columns={plot.table.columns}>
            {plot.table.rows.slice(0, SHOWN_ROWS).map((row, index) => (
              <tr key={index}>
                {row.map((cell, column) => (
                  <td key={column}>{cell}</td>
                ))}
              </tr>
            ))}
          </Table>
          {plot.table.rows.length > SHOWN_ROWS && (
            <p className="wl-Dim">
              {trans.__(
                'The first %1 of %2 rows.',
                SHOWN_ROWS,
                plot.table.rows.length
              )}
            </p>
          )}
        </div>
      ) : (
        <PlotlyFrame name={name} figure={plot.figure} plain={plot.plain} />
      )}
    </figure>
  );
}

/** A Plotly figure, drawn in a frame that has no rights here: its text is not ours. */
function PlotlyFrame({
  name,
  figure,
  plain
}: {
  readonly name: string;
  readonly figure: string;
  readonly plain: boolean;
}): JSX.Element {
  const { trans } = useServices();
  const { plotFrame } = usePages();
  const frame = React.useRef<HTMLIFrameElement>(null);
  const [note, setNote] = React.useState(trans.__('Drawing…'));
  const send = React.useCallback(() => {
    const node = frame.current;
    if (node === null) {
      return;
    }
    const style = getComputedStyle(node);
    // The frame's origin is opaque, so that it cannot be named here.
    node.contentWindow?.postMessage(
      { figure, colour: style.color, line: style.borderColor },
      '*'
    );
  }, [figure]);
  React.useEffect(() => {
    const hear = (event: MessageEvent<unknown>): void => {
      if (event.source !== frame.current?.contentWindow) {
        return;
      }
      if (event.data === 'ready') {
        send();
      } else if (event.data === 'failed') {
        setNote(trans.__('This figure cannot be drawn.'));
      } else if (event.data === 'drawn') {
        setNote('');
      }
    };
    window.addEventListener('message', hear);
    send();
    return () => window.removeEventListener('message', hear);
  }, [send, trans]);
  return (
    <>
      {note && (
        <p className="wl-Dim wl-PlotNote" role="status">
          {note}
        </p>
      )}
      <iframe
        ref={frame}
        className="wl-PlotFrame"
        title={name}
        src={plain ? plotFrame : `${plotFrame}?all`}
        sandbox="allow-scripts"
        referrerPolicy="no-referrer"
        loading="lazy"
      />
      <details>
        <summary>{trans.__('As Plotly JSON')}</summary>
        <pre className="wl-Text" tabIndex={0}>
          {figure}
        </pre>
      </details>
    </>
  );
}

/** The last debug images of each name. */
export function PicturesView({ id, live }: OfRun): JSX.Element {
  const { trans } = useServices();
  const { catalog } = usePages();
  const read = React.useCallback(() => catalog.pictures(id), [catalog, id]);
  return (
    <Reading
      read={read}
      everyMs={INTERVAL_MS}
      active={live}
      failure={trans.__('The images cannot be shown')}
    >
      {pictures =>
        pictures.length === 0 ? (
          <Notice title={trans.__('No images yet')}>
            {trans.__(
              'Logger.report_image(…) keeps samples of each iteration.'
            )}
          </Notice>
        ) : (
          <div className="wl-Pictures">
            {pictures.map(one => {
              const name = `${one.metric} / ${one.variant}`;
              const label = trans.__('%1, iteration %2', name, one.iteration);
              return (
                <figure key={`${name} ${one.iteration}`}>
                  <a href={one.address} target="_blank" rel="noreferrer">
                    <img src={one.address} alt={label} loading="lazy" />
                  </a>
                  <figcaption>{label}</figcaption>
                </figure>
              );
            })}
          </div>
        )
      }
    </Reading>
  );
}
