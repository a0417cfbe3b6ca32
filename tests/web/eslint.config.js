import js from "@eslint/js";

const browser = Object.fromEntries(
    ["window", "document", "location", "history", "navigator", "localStorage", "fetch", "EventSource",
     "URLSearchParams", "setTimeout", "clearTimeout", "setInterval", "clearInterval", "matchMedia",
     "requestAnimationFrame", "TextDecoder", "TextEncoder", "atob", "btoa", "Blob", "URL", "structuredClone",
     "HTMLElement", "HTMLDialogElement", "HTMLInputElement", "KeyboardEvent", "FormData", "crypto",
     "getComputedStyle", "performance"]
        .map((name) => [name, "readonly"]),
);

export default [
    { ignores: ["node_modules", "build.mjs"] },
    js.configs.recommended,
    {
        languageOptions: { globals: browser },
        rules: {
            eqeqeq: "error",
            "no-var": "error",
            "prefer-const": "error",
            "no-restricted-properties": [
                "error",
                { property: "innerHTML", message: "payloads are only ever text" },
                { property: "outerHTML", message: "payloads are only ever text" },
                { property: "insertAdjacentHTML", message: "payloads are only ever text" },
            ],
            "no-restricted-syntax": ["error", "JSXAttribute[name.name='dangerouslySetInnerHTML']",
                "Property[key.name='dangerouslySetInnerHTML']"],
        },
    },
];
