import { createApp } from "vue";
import App from "./App.vue";
import "./base.css";
import { connectMediaSession } from "./player/media_session.ts";
import "./theme.ts";

connectMediaSession();
createApp(App).mount("#app");
