/** Address of the folder that this page was served from, without its last slash: API, WebSocket and links are below it. */
export const pageBase = (): string => new URL('.', location.href).href.replace(/\/$/, '');
