// login.js -- the way in: by the one-time link that the daemon prints, its token, or a password.
import { html, useEffect, useState } from "../dom.js";
import { api, me } from "../api.js";
import { place } from "../route.js";
import { CommandLine, Problem } from "../ui/parts.js";

export function Login() {
    const [error, setError] = useState(/** @type {any} */ (null));
    const enter = async (/** @type {any} */ body) => {
        try {
            me.value = await api.post("/session", body);
            if (place.value.path[0] === "enter") location.hash = "#/";
        } catch (e) {
            setError(e);
        }
    };
    useEffect(() => {
        const ticket = place.value.path[0] === "enter" ? place.value.query.t : undefined;
        if (!ticket) return;
        history.replaceState(null, "", "#/enter"); // a used ticket does not stay in the address
        enter({ ticket });
    }, []);
    const submit = (/** @type {any} */ e) => {
        e.preventDefault();
        const form = new FormData(e.currentTarget);
        const name = String(form.get("name") ?? "");
        const secret = String(form.get("secret") ?? "");
        enter(name ? { name, password: secret } : { token: secret });
    };
    return html`<main class="login"><form class="panel" onSubmit=${submit}><h1>Gaff</h1>
        <label>Name <input name="name" autocomplete="username" placeholder="leave empty to use the token" /></label>
        <label>Password or token <input name="secret" type="password" required autocomplete="current-password" /></label>
        ${error && html`<${Problem} error=${error} />`}<button class="primary">Sign in</button>
        <p class="dim">A new link for one sign-in:</p><${CommandLine} line="gaff open" /></form></main>`;
}
