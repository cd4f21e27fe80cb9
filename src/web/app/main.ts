import { createApp } from "vue";
import App from "./App.vue";
import "./base.css";
import "./theme.ts";
import { connectMediaSession } from "./player/media_session.ts";

connectMediaSession();
createApp(App).mount("#app");
