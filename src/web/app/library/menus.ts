import type { FileRecord } from "../api/files.ts";
import { t } from "../i18n/i18n.ts";
import { enqueue } from "../player/player.ts";
import type { Song } from "../player/songs.ts";
import { goTo } from "../router.ts";
import type { MenuItem } from "../ui/ActionMenu.vue";
import { fileOf, removeFile } from "./library.ts";

/** What can be done with a file. */
export function fileMenu(
  file: FileRecord,
  showDetails: (file: FileRecord) => void,
): MenuItem[] {
  const { name, href } = file;
  const download = { href, name: name.slice(name.lastIndexOf("/") + 1) };
  return [
    { label: t("action.download"), icon: "download", download },
    { label: t("action.details"), icon: "file", run: () => showDetails(file) },
    {
      label: t("action.showOnRing"),
      icon: "ring",
      run: () => goTo("cluster", name),
    },
    {
      label: t("action.delete"),
      icon: "trash",
      isDangerous: true,
      run: () => removeFile(file),
    },
  ];
}

/** What can be done with a song. */
export function songMenu(
  song: Song,
  showDetails: (file: FileRecord) => void,
): MenuItem[] {
  const file = fileOf(song.name);
  return [
    {
      label: t("action.playNext"),
      icon: "play",
      run: () => enqueue(song, true),
    },
    { label: t("action.enqueue"), icon: "enqueue", run: () => enqueue(song) },
    ...(file === null ? [] : fileMenu(file, showDetails)),
  ];
}
