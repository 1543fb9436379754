import { Button, PasswordInput, TextInput } from '@mantine/core'
import { useDocumentTitle } from '@mantine/hooks'
import { useQueryClient } from '@tanstack/react-query'
import { getRouteApi, useRouter } from '@tanstack/react-router'
import { useState, type FormEvent } from 'react'
import { isSignedOut, messageOf } from '../../api/errors'
import { signIn } from '../../api/queries/session'
import { Logo } from '../../ui/Logo'
import { Notice } from '../../ui/Notice'
import classes from './LoginPage.module.css'

const route = getRouteApi('/login')

export function LoginPage() {
  useDocumentTitle('Sign in · Updraft')
  const { to } = route.useSearch()
  const router = useRouter()
  const queries = useQueryClient()
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<string>()

  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const fields = new FormData(event.currentTarget)
    setBusy(true)
    setProblem(undefined)
    try {
      await signIn(field(fields, 'username'), field(fields, 'password'))
    } catch (error) {
      setProblem(isSignedOut(error) ? 'This user name and password do not match.' : messageOf(error))
      setBusy(false)
      return
    }
    // Nothing that an earlier user was shown may remain.
    queries.clear()
    router.history.push(to ?? '/dags')
  }

  return (
    <main className={classes.page}>
      <Currents />
      <div className={classes.card}>
        <div className={classes.brand}>
          <Logo size={34} />
          <h1 className={classes.title}>Updraft</h1>
        </div>
        <form className={classes.form} onSubmit={(event) => void submit(event)}>
          {problem !== undefined && (
            <Notice urgent tone="bad" icon="alert">
              {problem}
            </Notice>
          )}
          <TextInput name="username" label="User name" autoComplete="username" size="md" required autoFocus withAsterisk={false} />
          <PasswordInput
            name="password"
            label="Password"
            autoComplete="current-password"
            size="md"
            required
            withAsterisk={false}
          />
          <Button type="submit" size="md" fullWidth loading={busy}>
            Sign in
          </Button>
        </form>
        <p className={classes.hint}>
          At its first start, Updraft makes the user <code>admin</code>, prints the password in its terminal, and keeps it in{' '}
          <code>~/.updraft/admin-password</code>.
        </p>
      </div>
    </main>
  )
}

function field(fields: FormData, name: string): string {
  const value = fields.get(name)
  return typeof value === 'string' ? value : ''
}

/** Lines of rising air, behind the card. */
function Currents() {
  return (
    <svg aria-hidden="true" className={classes.currents} viewBox="0 0 1200 800" preserveAspectRatio="xMidYMax slice" fill="none">
      {Array.from({ length: 15 }, (_, line) => {
        const x = 40 + line * 80
        const bend = (600 - x) * 0.55
        return (
          <path
            key={line}
            data-warm={line % 5 === 2}
            d={`M${x} 830 C ${x} 640, ${x + bend} 560, ${x + bend * 1.1} 380 S ${x - bend * 0.3} 120, ${x - bend * 1.2} -30`}
          />
        )
      })}
    </svg>
  )
}
