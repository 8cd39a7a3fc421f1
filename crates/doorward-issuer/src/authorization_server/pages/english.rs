//! What the pages say. `{…}` is filled in; in the name of a key, a colon stands before what it is about.

/// Every text there is. Other languages have the same keys, or fewer; `scope:…` is there for each scope that was
/// described.
pub(super) const ENGLISH: &[(&str, &str)] = &[
    ("consent:title", "Allow access?"),
    ("consent:heading", "{client} wants to use {brand}"),
    (
        "consent:unverified",
        "The application chose this name itself. Nobody has checked it.",
    ),
    (
        "consent:verified",
        "Published by {domain}, which chose this name itself.",
    ),
    ("consent:scopes", "It will be able to"),
    (
        "consent:no-scopes",
        "Know who you are, and act for you at {brand}",
    ),
    ("consent:destination", "Your answer goes to"),
    (
        "consent:destination-check",
        "Is this where you came from? If not, deny.",
    ),
    ("consent:local", "A program on this computer"),
    (
        "consent:app",
        "The app on this device that opens {scheme} links",
    ),
    (
        "consent:local-warning",
        "Any program on this device can ask under this name. Allow it only if you have just started to connect one \
         yourself.",
    ),
    ("consent:next", "Next, you sign in at {host}."),
    ("consent:allow", "Allow"),
    ("consent:deny", "Deny"),
    ("consent:details", "Details"),
    ("consent:client-id", "Application"),
    ("consent:redirect-uri", "Returns to"),
    ("consent:resource", "Gets access to"),
    ("consent:permissions", "Permissions"),
    ("onward:title", "One moment"),
    ("onward:allowed", "On to {host}"),
    (
        "onward:allowed-text",
        "You are being sent there to sign in.",
    ),
    ("onward:denied", "Access was denied"),
    (
        "onward:denied-text",
        "The application gets nothing. You are being sent back to {host}.",
    ),
    ("onward:continue", "Continue"),
    ("error:failed", "This did not work"),
    (
        "error:failed-text",
        "The application sent a request that cannot be answered. Go back to it and try again; if that does not help, \
         its makers need to know the words below.",
    ),
    ("error:unknown-client", "This application is not known here"),
    (
        "error:unknown-client-text",
        "It may have been forgotten since it was last used. In the application, remove the connection and add it again.",
    ),
    ("error:unknown-redirect", "This link leads astray"),
    (
        "error:unknown-redirect-text",
        "It would send you to an address that the application has not registered. Do not follow links like this one from \
         strangers; start in the application instead.",
    ),
    ("error:expired", "This page is no longer good"),
    (
        "error:expired-text",
        "It was answered already, or too long ago. Go back to the application and connect again.",
    ),
    ("error:other-browser", "This was begun elsewhere"),
    (
        "error:other-browser-text",
        "It has to be finished in the browser that it was begun in, with cookies allowed. Go back to the application and \
         connect again. If you followed a link that somebody sent you, close this page.",
    ),
    ("error:busy", "Too many at once"),
    (
        "error:busy-text",
        "There were too many requests from where you are. Wait a minute and try again.",
    ),
    ("error:away", "Not now"),
    (
        "error:away-text",
        "Something that is needed for signing in does not answer. Nothing is wrong with your account; try again shortly.",
    ),
    ("error:missing", "There is nothing here"),
    (
        "error:missing-text",
        "People do not come to this address by themselves. Start in the application that you want to connect.",
    ),
    ("error:words", "For its makers"),
];
