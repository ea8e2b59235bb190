// What Bluesky's own client detects: reads a JSON list of texts, writes a list of their facets (mentions by handle).
const { RichText } = require('@atproto/api');

const chunks = [];
process.stdin.on('data', (chunk) => chunks.push(chunk));
process.stdin.on('end', () => {
  const found = JSON.parse(Buffer.concat(chunks).toString('utf8')).map((text) => {
    const rich = new RichText({ text });
    rich.detectFacetsWithoutResolution();
    return rich.facets || [];
  });
  process.stdout.write(JSON.stringify(found));
});
