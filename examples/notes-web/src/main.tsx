import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./App.tsx";
import "./style.css";
import { showTheme } from "./theme.ts";

showTheme();
createRoot(document.body.appendChild(document.createElement("div"))).render(<StrictMode><App /></StrictMode>);
