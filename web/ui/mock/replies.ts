/** The bodies that the mock answers with. */
export function json(body: unknown): Response {
  return Response.json(body)
}

export function problem(status: number, detail: string): Response {
  return Response.json({ detail }, { status })
}
