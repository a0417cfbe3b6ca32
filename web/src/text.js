// text.js -- sentences that appear in more than one place, or that a translator would want whole.
export const text = {
    nothingYet: "Nothing here yet.",
    noEvents: "No event yet. Send one, and it appears here at once.",
    noMatch: "No event matches these filters.",
    live: "live",
    lost: "connection lost; trying again",
    paused: "paused",
    readOnly: "Defined in a file; change it there and it is picked up.",
    copied: "Copied",
    needsOperator: "Your role may look, not act.",
};
