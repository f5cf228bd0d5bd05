/**
 * Draws one figure that its parent posts, with Plotly, in a page without an origin.
 *
 * The figure is a run's own text: it is parsed as JSON, and nothing of it may load,
 * open or run anything. The policy of this page says so too.
 */

interface Plotly {
  react(
    node: HTMLElement,
    data: unknown,
    layout: Record<string, unknown>,
    config: Record<string, unknown>
  ): Promise<unknown>;
}

declare const Plotly: Plotly;

function draw(message: unknown): void {
  const { figure, colour, line } = message as Record<string, unknown>;
  const node = document.getElementById('plot');
  if (node === null || typeof figure !== 'string') {
    return;
  }
  const { data, layout } = JSON.parse(figure) as {
    data?: unknown;
    layout?: Record<string, unknown>;
  };
  const axis = { gridcolor: line, zerolinecolor: line, automargin: true };
  const given = layout ?? {};
  const named = (name: string): Record<string, unknown> => ({
    ...axis,
    ...(given[name] as Record<string, unknown> | undefined)
  });
  void Plotly.react(
    node,
    Array.isArray(data) ? data : [],
    {
      margin: { t: 28, r: 16, b: 40, l: 48 },
      ...given,
      xaxis: named('xaxis'),
      yaxis: named('yaxis'),
      font: { color: colour },
      paper_bgcolor: 'rgba(0,0,0,0)',
      plot_bgcolor: 'rgba(0,0,0,0)',
      // Pictures from elsewhere would tell their hosts who looks.
      images: [],
      autosize: true,
      width: undefined,
      height: undefined
    },
    { responsive: true, displaylogo: false, showLink: false, sendData: false }
  ).then(() => window.parent.postMessage('drawn', '*'), fail);
}

function fail(): void {
  window.parent.postMessage('failed', '*');
}

window.addEventListener('message', event => {
  if (event.source !== window.parent) {
    return;
  }
  try {
    draw(event.data);
  } catch {
    fail();
  }
});
window.parent.postMessage('ready', '*');
