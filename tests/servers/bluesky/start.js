// Start a Bluesky PDS with an in-memory PLC directory, say where it listens, end when standard input closes.
// Argument: JSON of extra PDS settings, e.g. {"bskyAppViewUrl": "http://127.0.0.1:1", "bskyAppViewDid": "did:example:a"}.
const { TestNetworkNoAppView } = require('@atproto/dev-env');

(async () => {
  const network = await TestNetworkNoAppView.create({ pds: JSON.parse(process.argv[2] || '{}') });
  process.stdout.write(JSON.stringify({ port: network.pds.port }) + '\n');
  process.stdin.on('end', () => process.exit(0));  // the parent ended, kill -9 included: keep nothing
  process.stdin.resume();
})();
