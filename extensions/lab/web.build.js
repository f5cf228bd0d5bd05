/** Bundles the pages of the tracking server: `jlpm build:web`. */
const { createHash } = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');
const zlib = require('node:zlib');

const { rspack } = require('@rspack/core');

const sources = path.resolve(__dirname, '../ui/web');
const target = path.resolve(__dirname, '../../hub/waylab_tracking/web');
// All kinds of plots, and the usual ones in a quarter of the size.
const plotly = require.resolve('plotly.js-strict-dist-min');
const plotlyLight = require.resolve('plotly.js-cartesian-dist-min');

const config = {
  mode: 'production',
  target: ['web', 'es2020'],
  context: sources,
  entry: { pages: './main.tsx', plot: './plotFrame.ts' },
  output: {
    path: target,
    filename: '[name]-[contenthash:16].js',
    cssFilename: '[name]-[contenthash:16].css',
    clean: true
  },
  resolve: {
    extensions: ['.tsx', '.ts', '.js'],
    // The views lie outside of this package, but use its libraries.
    modules: [path.resolve(__dirname, 'node_modules')]
  },
  module: {
    rules: [
      {
        test: /\.tsx?$/,
        loader: 'builtin:swc-loader',
        options: {
          jsc: {
            parser: { syntax: 'typescript', tsx: true },
            transform: { react: { runtime: 'classic' } },
            target: 'es2020'
          }
        }
      },
      { test: /\.css$/, type: 'css' }
    ]
  },
  performance: false,
  stats: 'errors-warnings'
};

rspack(config, (error, stats) => {
  if (error || stats.hasErrors()) {
    console.error(error ?? stats.toString('errors-only'));
    process.exit(1);
  }
  const { entrypoints } = stats.toJson({ all: false, entrypoints: true });
  const asset = (entry, kind) =>
    entrypoints[entry].assets
      .map(one => one.name)
      .find(name => name.endsWith(kind));
  const manifest = {
    script: asset('pages', '.js'),
    style: asset('pages', '.css'),
    plot: asset('plot', '.js'),
    plotly: copied(plotly, 'plotly'),
    plotly_light: copied(plotlyLight, 'plotly-light')
  };
  copied(path.join(path.dirname(plotly), 'LICENSE'), 'plotly');
  for (const name of fs.readdirSync(target)) {
    const body = fs.readFileSync(path.join(target, name));
    if (/\.(js|css)$/.test(name)) {
      const packed = zlib.gzipSync(body, { level: 9 });
      fs.writeFileSync(path.join(target, `${name}.gz`), packed);
    }
  }
  // Last: where it lies, all that it names does too.
  const text = `${JSON.stringify(manifest, null, 1)}\n`;
  fs.writeFileSync(path.join(target, 'manifest.json'), text);
});

/** Puts a file under a name with its hash into the bundle; gives the name. */
function copied(source, stem) {
  const body = fs.readFileSync(source);
  const hash = createHash('sha256').update(body).digest('hex').slice(0, 16);
  const name = `${stem}-${hash}${path.extname(source) || '.LICENSE.txt'}`;
  fs.writeFileSync(path.join(target, name), body);
  return name;
}
