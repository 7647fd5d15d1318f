/** A bucket's own word that its objects go with its stack. */
export const DELETE_OBJECTS_TAG = 'misa:delete-objects';
