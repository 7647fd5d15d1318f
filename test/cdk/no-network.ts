/** Loaded before a program: whatever it would say to another machine ends it. */
import dns from 'node:dns';
import net from 'node:net';

function refused(): never {
  process.stderr.write(`${new Error('there is no network here').stack}\n`);
  process.exit(99);
}

net.Socket.prototype.connect = refused;
dns.lookup = refused as never;
