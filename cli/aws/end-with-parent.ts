/**
 * Loaded into a child that has a process group of its own, and so hears nothing of what happens at the terminal: ends it when
 * its parent is gone, however that went, which the child sees by the end of its standard input.
 */
process.stdin.on('error', () => {}).on('end', () => process.exit(1));
process.stdin.resume();
// It waits for nothing.
(process.stdin as unknown as { unref?: () => void }).unref?.();

export {};
