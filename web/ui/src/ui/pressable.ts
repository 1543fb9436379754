/**
 * The props of a button that may have a reason not to be pressed. Unlike one that is `disabled` it is reached with the keyboard and
 * the pointer, so that a tooltip can say the reason.
 */
export function pressable(refusal: string | undefined, onClick: () => void) {
  return refusal === undefined ? { onClick } : { 'aria-disabled': true, 'data-disabled': true }
}
