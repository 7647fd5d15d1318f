/** Which rows of a batch go into which groups: row `rowOf[i]` into group `groupOf[i]`, for each i below `count`, in order. */
export interface Entries {
  count: number;
  rowOf: Int32Array;
  groupOf: Int32Array;
}
