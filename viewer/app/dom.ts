/**
 * Building the page. Text only ever becomes text: nothing here or elsewhere in the viewer takes HTML, so that
 * nothing in a trace can become markup.
 */
export type Child = Node | string | number | undefined | false | null;

interface Attributes {
  readonly class?: string | undefined;
  readonly title?: string;
  readonly text?: string;
  readonly on?: { readonly [event: string]: (event: never) => void };
  readonly style?: { readonly [property: string]: string };
  readonly data?: { readonly [name: string]: string };
  readonly [attribute: string]: unknown;
}

export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: readonly (Child | readonly Child[])[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    if (name === 'class') element.className = String(value);
    else if (name === 'text') element.textContent = String(value);
    else if (name === 'on') {
      for (const [event, listener] of Object.entries(value as object)) {
        element.addEventListener(event, listener as EventListener);
      }
    } else if (name === 'style') {
      for (const [property, style] of Object.entries(value as object)) {
        element.style.setProperty(property, style as string);
      }
    } else if (name === 'data') Object.assign(element.dataset, value);
    else if (value === true) element.setAttribute(name, '');
    else element.setAttribute(name, String(value));
  }
  append(element, children);
  return element;
}

export function append(element: Element, children: readonly (Child | readonly Child[])[]): void {
  for (const child of children.flat()) {
    if (child === undefined || child === null || child === false) continue;
    element.append(child instanceof Node ? child : String(child));
  }
}

export function replace(element: Element, ...children: readonly (Child | readonly Child[])[]): void {
  element.replaceChildren();
  append(element, children);
}

export function button(
  label: string,
  title: string,
  click: () => void,
  options: { readonly class?: string; readonly disabled?: boolean } = {},
): HTMLButtonElement {
  return h(
    'button',
    {
      type: 'button',
      title,
      'aria-label': title,
      class: options.class,
      disabled: options.disabled === true,
      on: { click },
    },
    label,
  );
}
