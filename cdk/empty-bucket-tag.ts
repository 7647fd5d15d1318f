/** Tag of a bucket whose objects are deleted with its stack. */
export const DELETE_OBJECTS_TAG = 'misa:delete-objects';
