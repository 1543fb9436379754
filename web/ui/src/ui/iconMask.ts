import { ICON_SHAPES, type IconName } from './Icon'

/** An icon as a CSS image, to cut out of a colour: for places with so many that an element each costs too much. */
export function iconMask(name: IconName): string {
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16" fill="none" stroke="#000" stroke-width="2.4" stroke-linecap="round" stroke-linejoin="round"><path d="${ICON_SHAPES[name]}"/></svg>`
  return `url("data:image/svg+xml,${encodeURIComponent(svg)}")`
}
