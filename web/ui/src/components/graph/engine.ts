import ELK from 'elkjs/lib/elk-api'
import workerUrl from 'elkjs/lib/elk-worker.min.js?url'

/** The layout engine, in a worker of its own: a DAG of a thousand tasks does not stop the page. */
export const elk = new ELK({ workerUrl })
