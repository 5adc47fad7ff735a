// A server of Node's tls: ADDRESS PORT CERTIFICATE KEY LEAST MOST, the versions as Node names them (TLSv1.1). Whatever it is sent,
// it answers the same.
const fs = require('fs');
const tls = require('tls');

const [address, port, certificate, key, minVersion, maxVersion] = process.argv.slice(2);
const server = tls.createServer({
  cert: fs.readFileSync(certificate),
  key: fs.readFileSync(key),
  ciphers: 'ALL:@SECLEVEL=0',
  minVersion,
  maxVersion,
}, (socket) => {
  socket.setTimeout(20000, () => socket.destroy());
  socket.on('error', () => {});
  socket.once('data', () => socket.end('HTTP/1.0 204 No Content\r\n\r\n'));
});
server.on('tlsClientError', () => {});
server.on('error', (error) => { console.error(error.message); process.exit(1); });
server.listen(Number(port), address);
