/**
 * A manifest as bytes: JSON in an envelope, so that a person can read it and a program can tell that it is whole. Checked
 * both ways (`check.ts`): a wrong manifest is neither written nor believed. See `docs/formats/manifest.md`.
 */
import { CorruptionError, MisaError } from '../errors.ts';
import { decodeEnvelope, encodeEnvelope } from '../util/envelope.ts';
import { manifestFault } from './check.ts';
import type { Manifest } from './manifest.ts';

const KIND = 'manifest';
/** Version 1 also listed the SSTs that wait to be deleted, version 2 did not know of what is forgotten, version 3 names SSTs of version 1. */
const VERSION = 4;

/** @throws {MisaError} `BAD_MANIFEST`: a bug of the caller; nothing was written */
export function encodeManifest(manifest: Manifest): Uint8Array {
  const fault = manifestFault(manifest);
  if (fault !== undefined) throw new MisaError('BAD_MANIFEST', `a manifest that must not be written: ${fault}`);
  return encodeEnvelope(KIND, VERSION, manifest);
}

/**
 * @param object the object's name, for errors
 * @throws {CorruptionError} @throws {MisaError} `NEWER_FORMAT`, `OLDER_FORMAT`
 */
export function decodeManifest(bytes: Uint8Array, object: string): Manifest {
  const manifest = decodeEnvelope<unknown>(KIND, VERSION, bytes, object, VERSION);
  const fault = manifestFault(manifest);
  if (fault !== undefined) throw new CorruptionError(object, fault);
  return manifest as Manifest;
}
