import { Linked } from '../ui/Linked'
import { Time } from './Time'

const INSTANT = /(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d))/

/** Why a task does not run, in the server's words; an instant in it is shown in the reader's time zone, an address is a link. */
export function Reason({ text, zone }: { text: string; zone?: string }) {
  return text
    .split(INSTANT)
    .map((part, place) => (INSTANT.test(part) ? <Time key={place} at={part} zone={zone} seconds /> : <Linked key={place} text={part} />))
}
