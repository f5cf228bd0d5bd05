/** The views, compiled from their own folder together with this extension. */
export * from '../../ui/src';
