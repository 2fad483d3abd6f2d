import { App } from 'cdktf';
import { buildContoso } from './contoso-stack.ts';
import { ENVIRONMENTS } from './environments.ts';

// Without stack traces the output is the same on every machine.
const app = new App({ stackTraces: false });
for (const environment of ENVIRONMENTS) buildContoso(app, environment);
app.synth();
