import '@mantine/core/styles.css';
import './view/desk.css';
import { MantineProvider, createTheme } from '@mantine/core';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { DeskClient } from './hub/client';
import { startI18n } from './i18n';
import { Ringer } from './sound/ringer';
import { App } from './view/App';

startI18n();

const theme = createTheme({
  fontFamily: [
    'Hiragino Sans',
    'Hiragino Kaku Gothic ProN',
    'Yu Gothic UI',
    'Yu Gothic',
    'Meiryo',
    'Noto Sans CJK JP',
    'Noto Sans JP',
    'system-ui',
    'sans-serif',
  ]
    .map((font) => (font.includes(' ') ? `"${font}"` : font))
    .join(', '),
  primaryColor: 'blue',
  primaryShade: 8,
  defaultRadius: 'sm',
  cursorType: 'pointer',
  respectReducedMotion: true,
});

const queries = new QueryClient({ defaultOptions: { queries: { retry: 1, staleTime: 10_000 } } });
// `?worker=off` keeps the socket in the page: to tell a fault of the worker from a fault of the line.
const useWorker = new URLSearchParams(window.location.search).get('worker') !== 'off';
const desk = new DeskClient(document.documentElement.lang, useWorker);
const ringer = new Ringer();

const root = document.getElementById('root');
if (root !== null) {
  createRoot(root).render(
    <StrictMode>
      <MantineProvider theme={theme} forceColorScheme="light">
        <QueryClientProvider client={queries}>
          <App desk={desk} ringer={ringer} />
        </QueryClientProvider>
      </MantineProvider>
    </StrictMode>,
  );
}
