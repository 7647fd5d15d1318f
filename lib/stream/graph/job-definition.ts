/** What `job()` was given, checked and with defaults; what `compileJob` starts from. */
import type { StreamNode } from './graph.ts';
import type { JobSettings } from './job-settings.ts';

export interface OutputDefinition {
  readonly name: string;
  readonly node: StreamNode;
}

/** What a job is made of; see `compileJob`. */
export interface JobDefinition {
  readonly name: string;
  readonly outputs: readonly OutputDefinition[];
  /** One output given as a stream, not by name. */
  readonly single: boolean;
  readonly options: JobSettings;
}
