import {
  ActionIcon,
  Button,
  Checkbox,
  createTheme,
  Menu,
  Modal,
  Radio,
  Switch,
  Tabs,
  TextInput,
  Tooltip,
  defaultVariantColorsResolver,
  type CSSVariablesResolver,
  type MantineColorsTuple,
  type VariantColorsResolver,
} from '@mantine/core'

const ink: MantineColorsTuple = [
  '#e8ecf2',
  '#d3dae3',
  '#aab4c2',
  '#8c98a8',
  '#6f7c8d',
  '#4f5b6b',
  '#3a4757',
  '#2b3644',
  '#1b2430',
  '#121922',
]

const dark: MantineColorsTuple = [
  '#e8ecf2',
  '#c3ccd8',
  '#8c98a8',
  '#56647a',
  '#303b49',
  '#212b37',
  '#161d26',
  '#0f141b',
  '#0c1016',
  '#080b10',
]

const gray: MantineColorsTuple = [
  '#f9f8f5',
  '#f1f0eb',
  '#e5e3dc',
  '#dbd8cf',
  '#cfccc2',
  '#a8a69d',
  '#5f6978',
  '#4f5b6b',
  '#343e4b',
  '#1b2430',
]

/** The main button is ink on paper in both schemes: dark on light, and light on dark. */
const variantColors: VariantColorsResolver = (input) => {
  if (input.variant === 'filled' && (input.color === undefined || input.color === 'ink')) {
    return {
      background: 'var(--ink)',
      hover: 'color-mix(in srgb, var(--ink) 86%, var(--paper))',
      color: 'var(--paper)',
      border: '1px solid transparent',
    }
  }
  return defaultVariantColorsResolver(input)
}

/** Mantine in Updraft's clothes: the colours themselves are in `styles/tokens.css`. */
export const theme = createTheme({
  colors: { ink, dark, gray },
  primaryColor: 'ink',
  primaryShade: { light: 8, dark: 0 },
  autoContrast: true,
  variantColorResolver: variantColors,
  defaultRadius: 6,
  fontFamily: 'var(--sans)',
  fontFamilyMonospace: 'var(--mono)',
  fontSizes: { xs: '12px', sm: '13px', md: '14px', lg: '16px', xl: '20px' },
  headings: { fontFamily: 'var(--sans)', fontWeight: '650' },
  cursorType: 'pointer',
  respectReducedMotion: true,
  components: {
    Button: Button.extend({ defaultProps: { size: 'sm' }, styles: { root: { fontWeight: 550 } } }),
    ActionIcon: ActionIcon.extend({ defaultProps: { variant: 'subtle', color: 'gray' } }),
    // Ink on paper in both schemes, like the main button.
    Checkbox: Checkbox.extend({ defaultProps: { color: 'var(--ink)', iconColor: 'var(--paper)' } }),
    Radio: Radio.extend({ defaultProps: { color: 'var(--ink)', iconColor: 'var(--paper)' } }),
    Tooltip: Tooltip.extend({
      defaultProps: { openDelay: 250, withArrow: true, arrowSize: 6, fz: 12, events: { hover: true, focus: true, touch: true } },
    }),
    Modal: Modal.extend({
      defaultProps: {
        centered: true,
        closeButtonProps: { 'aria-label': 'Close' },
        overlayProps: { backgroundOpacity: 0.45, blur: 2 },
        // The page has one banner; the head of a dialog is none.
        attributes: { header: { role: 'presentation' } },
      },
      styles: { content: { background: 'var(--surface)' }, header: { background: 'var(--surface)' }, title: { fontWeight: 700 } },
    }),
    Menu: Menu.extend({ defaultProps: { shadow: 'md', withinPortal: true } }),
    Switch: Switch.extend({ defaultProps: { color: 'var(--good)', withThumbIndicator: false } }),
    Tabs: Tabs.extend({ defaultProps: { color: 'var(--ember)', keepMounted: false } }),
    TextInput: TextInput.extend({ defaultProps: { size: 'sm' } }),
  },
})

/** Ties the variables that Mantine's own styles read to our tokens. */
export const cssVariables: CSSVariablesResolver = () => {
  const ties = {
    '--mantine-color-body': 'var(--paper)',
    '--mantine-color-text': 'var(--ink)',
    '--mantine-color-dimmed': 'var(--ink-2)',
    '--mantine-color-placeholder': 'var(--ink-3)',
    '--mantine-color-default': 'var(--surface)',
    '--mantine-color-default-hover': 'var(--hover)',
    '--mantine-color-default-color': 'var(--ink)',
    '--mantine-color-default-border': 'var(--line-strong)',
    '--mantine-color-anchor': 'var(--active-text)',
    '--mantine-color-error': 'var(--bad-text)',
  }
  return { variables: {}, light: ties, dark: ties }
}
