/** `postern access rdp`: `access tcp` on the port that RDP clients dial by themselves. */
import {
  CLIENT_LOG_OPTION,
  GATEWAY_OPTIONS,
  HOSTNAME_OPTION,
} from '../../access/access-options.ts';
import { defineCommand } from '../../command.ts';
import { accessTcp } from './access-tcp.ts';

export const accessRdp = defineCommand({
  positionals: {},
  options: {
    ...HOSTNAME_OPTION,
    listen: {
      type: 'string',
      requiresArg: true,
      default: '127.0.0.1:3389',
      describe: 'Local address for the RDP client to connect to',
    },
    ...GATEWAY_OPTIONS,
    ...CLIENT_LOG_OPTION,
  },
  epilogue: `Connect the RDP client to the address that is printed, for as long as this runs:

  xfreerdp /v:127.0.0.1:3389        mstsc /v:127.0.0.1:3389`,
  run: async (args) => accessTcp.run(args),
});
