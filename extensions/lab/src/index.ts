import { clientPlugin } from './clientPlugin';
import { remotePlugin } from './remotePlugin';
import { runsPlugin } from './runsPlugin';
import { startersPlugin } from './startersPlugin';

export * from './tokens';

export default [clientPlugin, runsPlugin, remotePlugin, startersPlugin];
