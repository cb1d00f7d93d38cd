/**
 * Every command there is, in the order in which the help shows them.
 *
 * The code of a command is loaded when it is asked for: a readiness probe that runs every few seconds must not pay for a
 * gateway.
 */
import type { CommandGroup } from './command.ts';

const policy: CommandGroup = {
  name: 'policy',
  summary: 'Find out what the policies decide, and why',
  commands: [
    {
      usage: 'test',
      summary: 'Explain rule by rule whether a request would be let in; exit with 1 when not',
      load: async () => (await import('./commands/gateway/policy-test.ts')).policyTest,
    },
  ],
};

const user: CommandGroup = {
  name: 'user',
  summary: 'Manage local users, for trials and for emergencies',
  commands: [
    {
      usage: 'add <name>',
      summary: 'Add a local user; the password is asked for, or read from stdin',
      load: async () => (await import('./commands/gateway/user-add.ts')).userAdd,
    },
    {
      usage: 'list',
      summary: 'List the local users',
      load: async () => (await import('./commands/gateway/user-list.ts')).userList,
    },
    {
      usage: 'passwd <name>',
      summary: 'Give a local user a new password and end their sessions',
      load: async () => (await import('./commands/gateway/user-passwd.ts')).userPasswd,
    },
    {
      usage: 'remove <name>',
      summary: 'Remove a local user and end their sessions',
      load: async () => (await import('./commands/gateway/user-remove.ts')).userRemove,
    },
  ],
};

const sessions: CommandGroup = {
  name: 'sessions',
  summary: 'See who is signed in, and sign them out',
  commands: [
    {
      usage: 'list',
      summary: 'List the sessions of people who are signed in',
      load: async () => (await import('./commands/gateway/sessions-list.ts')).sessionsList,
    },
    {
      usage: 'revoke [id]',
      summary: 'End sessions, and within a second what they have open',
      load: async () => (await import('./commands/gateway/sessions-revoke.ts')).sessionsRevoke,
    },
  ],
};

const serviceToken: CommandGroup = {
  name: 'service-token',
  summary: 'Manage the credentials of machines',
  commands: [
    {
      usage: 'create <name>',
      summary: 'Create a service token and print its secret',
      load: async () =>
        (await import('./commands/gateway/service-token-create.ts')).serviceTokenCreate,
    },
    {
      usage: 'list',
      summary: 'List the service tokens',
      load: async () => (await import('./commands/gateway/service-token-list.ts')).serviceTokenList,
    },
    {
      usage: 'rotate <name>',
      summary: 'Replace the secret of a service token; the old one is good for a while',
      load: async () =>
        (await import('./commands/gateway/service-token-rotate.ts')).serviceTokenRotate,
    },
    {
      usage: 'revoke <name>',
      summary: 'Remove a service token, and within a second what it has open',
      load: async () =>
        (await import('./commands/gateway/service-token-revoke.ts')).serviceTokenRevoke,
    },
  ],
};

const audit: CommandGroup = {
  name: 'audit',
  summary: 'Read the audit log, a JSON object a line',
  commands: [
    {
      usage: 'tail',
      summary: 'Print the newest events, and with -f those that come',
      load: async () => (await import('./commands/gateway/audit-tail.ts')).auditTail,
    },
    {
      usage: 'export',
      summary: 'Print all events that are kept, the oldest first',
      load: async () => (await import('./commands/gateway/audit-export.ts')).auditExport,
    },
  ],
};

const gateway: CommandGroup = {
  name: 'gateway',
  summary: 'Run and control the gateway, the public server',
  commands: [
    {
      usage: 'run',
      summary: 'Run the gateway until SIGTERM, SIGINT or "gateway drain"',
      load: async () => (await import('./commands/gateway/gateway-run.ts')).gatewayRun,
    },
    {
      usage: 'worker',
      summary: 'Do the work of "gateway run", which starts it',
      isHidden: true,
      load: async () => (await import('./commands/gateway/gateway-worker.ts')).gatewayWorker,
    },
    {
      usage: 'validate',
      summary: 'Check the configuration of the gateway without running it',
      load: async () => (await import('./commands/gateway/gateway-validate.ts')).gatewayValidate,
    },
    policy,
    {
      usage: 'status',
      summary: 'Show what the running gateway does; fails when none runs',
      load: async () => (await import('./commands/gateway/gateway-status.ts')).gatewayStatus,
    },
    {
      usage: 'reload',
      summary: 'Hand over to a new process that runs what is on disk; drops nothing',
      load: async () => (await import('./commands/gateway/gateway-reload.ts')).gatewayReload,
    },
    {
      usage: 'drain',
      summary: 'Let the running gateway finish its work and end; waits for it',
      load: async () => (await import('./commands/gateway/gateway-drain.ts')).gatewayDrain,
    },
    {
      usage: 'ssh-ca',
      summary: 'Print the keys of the SSH authority, for TrustedUserCAKeys of sshd',
      load: async () => (await import('./commands/gateway/gateway-ssh-ca.ts')).gatewaySshCa,
    },
    sessions,
    serviceToken,
    user,
    audit,
  ],
};

const route: CommandGroup = {
  name: 'route',
  summary: 'Say which public hostnames lead to a tunnel',
  commands: [
    {
      usage: 'add <tunnel> <hostname>',
      summary: 'Lead a public hostname, or *.suffix, to a tunnel',
      load: async () => (await import('./commands/tunnel/route-add.ts')).routeAdd,
    },
    {
      usage: 'list [tunnel]',
      summary: 'List the routes, of all tunnels or of one',
      load: async () => (await import('./commands/tunnel/route-list.ts')).routeList,
    },
    {
      usage: 'remove <hostname>',
      summary: 'Remove the route of a hostname',
      load: async () => (await import('./commands/tunnel/route-remove.ts')).routeRemove,
    },
  ],
};

const ingress: CommandGroup = {
  name: 'ingress',
  summary: "Check a connector's ingress rules",
  commands: [
    {
      usage: 'validate',
      summary: 'Check the configuration of the connector without running it',
      load: async () => (await import('./commands/tunnel/ingress-validate.ts')).ingressValidate,
    },
    {
      usage: 'rule <url>',
      summary: 'Show which ingress rule a URL, or a hostname, meets',
      load: async () => (await import('./commands/tunnel/ingress-rule.ts')).ingressRule,
    },
  ],
};

const tunnel: CommandGroup = {
  name: 'tunnel',
  summary: 'Manage tunnels, and run a connector beside your services',
  commands: [
    {
      usage: 'create <name>',
      summary: 'Create a tunnel and print its token',
      load: async () => (await import('./commands/tunnel/tunnel-create.ts')).tunnelCreate,
    },
    {
      usage: 'list',
      summary: 'List the tunnels',
      load: async () => (await import('./commands/tunnel/tunnel-list.ts')).tunnelList,
    },
    {
      usage: 'info <tunnel>',
      summary: 'Show a tunnel, its routes and its connectors',
      load: async () => (await import('./commands/tunnel/tunnel-info.ts')).tunnelInfo,
    },
    {
      usage: 'tail <tunnel>',
      summary: 'Show the requests of a tunnel as they end',
      load: async () => (await import('./commands/tunnel/tunnel-tail.ts')).tunnelTail,
    },
    {
      usage: 'rotate <tunnel>',
      summary: 'Replace the token of a tunnel; connectors with the old one are cut off',
      load: async () => (await import('./commands/tunnel/tunnel-rotate.ts')).tunnelRotate,
    },
    {
      usage: 'delete <tunnel>',
      summary: 'Delete a tunnel and its routes; its connectors are cut off',
      load: async () => (await import('./commands/tunnel/tunnel-delete.ts')).tunnelDelete,
    },
    route,
    {
      usage: 'run [tunnel]',
      summary: 'Run a connector: dial the gateway and serve the ingress rules',
      load: async () => (await import('./commands/tunnel/tunnel-run.ts')).tunnelRun,
    },
    {
      usage: 'reload [tunnel]',
      summary: 'Hand a running connector over to a new process; waits for the outcome',
      load: async () => (await import('./commands/tunnel/tunnel-reload.ts')).tunnelReload,
    },
    {
      usage: 'ready',
      summary: 'Exit with 0 when the connector on this machine is ready, else with 1',
      load: async () => (await import('./commands/tunnel/tunnel-ready.ts')).tunnelReady,
    },
    ingress,
  ],
};

const access: CommandGroup = {
  name: 'access',
  summary: 'Reach applications behind a gateway from this machine',
  commands: [
    {
      usage: 'login [url]',
      summary: 'Sign in at a gateway, in a browser',
      load: async () => (await import('./commands/access/access-login.ts')).accessLogin,
    },
    {
      usage: 'logout [url]',
      summary: 'Sign out at a gateway, and forget the credential here',
      load: async () => (await import('./commands/access/access-logout.ts')).accessLogout,
    },
    {
      usage: 'token',
      summary: 'Get a token for one application',
      load: async () => (await import('./commands/access/access-token.ts')).accessToken,
    },
    {
      usage: 'curl <url> [args..]',
      summary: 'Run curl as somebody who is signed in',
      loadPassing: async () => (await import('./commands/access/access-curl.ts')).accessCurl,
    },
    {
      usage: 'tcp',
      summary: 'Join a local port, or standard input and output, to a TCP service',
      load: async () => (await import('./commands/access/access-tcp.ts')).accessTcp,
    },
    {
      usage: 'ssh <host> [words..]',
      summary: 'Run ssh through the gateway, with a certificate where there is one',
      loadPassing: async () => (await import('./commands/access/access-ssh.ts')).accessSsh,
    },
    {
      usage: 'ssh-config',
      summary: 'Let plain ssh, scp, rsync and git go through the gateway',
      load: async () => (await import('./commands/access/access-ssh-config.ts')).accessSshConfig,
    },
    {
      usage: 'ssh-gen',
      summary: 'Get the SSH certificate of a host; what ssh-config writes runs it',
      load: async () => (await import('./commands/access/access-ssh-gen.ts')).accessSshGen,
    },
    {
      usage: 'rdp',
      summary: 'Open a local port for an RDP client',
      load: async () => (await import('./commands/access/access-rdp.ts')).accessRdp,
    },
  ],
};

const service: CommandGroup = {
  name: 'service',
  summary: 'Let the system run a gateway or a connector',
  commands: [
    {
      usage: 'install <kind> [name]',
      summary: 'Write, enable and start the service of a gateway or a connector',
      load: async () => (await import('./commands/service/service-install.ts')).serviceInstall,
    },
    {
      usage: 'uninstall <kind> [name]',
      summary: 'Stop the service and remove what its installation wrote',
      load: async () => (await import('./commands/service/service-uninstall.ts')).serviceUninstall,
    },
  ],
};

/** `postern` and all below it. */
export const commandTree: CommandGroup = {
  name: 'postern',
  summary: 'Reach services on machines that accept no inbound connection.',
  commands: [
    {
      usage: 'quickstart',
      summary: 'Try it: run everything on this machine and print two commands',
      load: async () => (await import('./commands/quickstart.ts')).quickstart,
    },
    gateway,
    tunnel,
    access,
    service,
    {
      usage: 'update',
      summary: 'Find out whether there is a newer version, and how to get it',
      load: async () => (await import('./commands/update.ts')).update,
    },
    {
      usage: 'version',
      summary: 'Show the version of Postern and of Node',
      load: async () => (await import('./commands/version.ts')).version,
    },
  ],
};
