"""The page: barcodes in, verdicts as they come, the evidence for each, files to take away.

The function `identify` of its API does the same for programs: with gradio_client, or by HTTP at
/gradio_api/call/identify.
"""

from __future__ import annotations

import html
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import gradio as gr
import pandas as pd

from barcodemae.cells import one_line
from barcodemae.errors import BarcodeMAEError
from barcodemae.identification.answers import Answers, concatenate
from barcodemae.reports.answer_files import write
from barcodemae.reports.details import Details, style_of_details
from barcodemae.reports.page import SHOWN, write_html
from barcodemae.reports.summary import sentence
from barcodemae.serve.queries import ENDINGS, Limits, Queries, read_text, read_upload

# Ids, barcodes, and those that were met before, which `identify` calls `seen`.
Identify = Callable[[Sequence[str], Sequence[str], dict[bytes, str]], Answers]

BATCH = 50  # barcodes identified before the page shows more
KEPT = 3600  # seconds that answers and files are kept for their visitor
WAITING = 40  # visitors in the queue; more are asked to come back
# The report's columns, less what does not fit beside a visitor's form.
_LEFT_OUT = ("p_family", "nearest_species")
_SHOWN = {name: title for name, title in SHOWN.items() if name not in _LEFT_OUT}
_FILES = ("tsv", "xlsx", "qiime2.tsv", "html")
_MOST_LEFT_OUT = 10  # named
_EXAMPLE = ">my barcode\nAACTTTATATTTTATTTTTGGAATTTGAGCAGG..."
# In the colours of Gradio's theme, which a visitor may have set against the system's.
_STYLE = """
.said { font-size: 1.15rem; }
.details-of {
  --ink: var(--body-text-color); --soft: var(--body-text-color-subdued);
  --raised: var(--body-background-fill); --line: var(--border-color-primary);
  --link: var(--link-text-color);
}
.details-of .verdict { color: #1c1e21; }
.details-of .v0 { background: #c6e5d9; } .details-of .v1 { background: #fbe0b8; }
.details-of .v2 { background: #f6c9dc; } .details-of .v3 { background: #e3e3e3; }
.details-of .v4 { background: #c9c9c9; }
.details-of table { border-collapse: collapse; }
.details-of th, .details-of td { text-align: left; }
/* On a phone Gradio cuts names to their endings, and nobody needs to remove what is taken away. */
.files-of .label-clear-button { display: none; }
.files-of .file td { padding-inline: 2px; }
.files-of .file td.download { width: 6rem; min-width: 0; }
.files-of .file td.filename { width: auto; max-width: none; }
"""


class Page:
    """What the page does, for libraries by name and within limits."""

    def __init__(self, libraries: Mapping[str, Identify], limits: Limits):
        self.libraries, self.limits = libraries, limits

    def answers(self, queries: Queries, library: str) -> Iterator[tuple[Answers, bool]]:
        """Answers to ever more of the queries, and whether the time was up before the last.

        Raises:
            BarcodeMAEError: there is no such library.
        """
        if library not in self.libraries:
            raise BarcodeMAEError(f"no library {library!r}; give {', '.join(self.libraries)}")
        parts, seen, started = [], {}, time.monotonic()
        for start in range(0, len(queries.ids), BATCH):
            some = slice(start, start + BATCH)
            parts.append(self.libraries[library](queries.ids[some], queries.barcodes[some], seen))
            late = time.monotonic() - started > self.limits.seconds
            yield concatenate(parts), late and start + BATCH < len(queries.ids)
            if late:
                return

    def show(self, text: str, upload: str | None, library: str) -> Iterator[tuple]:
        """Values for what is said, the table, the answers kept, and the emptied file field."""
        try:
            yield "<p class='said' role='status'>Reading ...</p>", None, None, None
            if upload:
                queries = read_upload(Path(upload), self.limits)
            else:
                queries = read_text(text or "", self.limits)
            for answers, stopped in self.answers(queries, library):
                said = _said(answers, queries, self.limits if stopped else None)
                yield said, _table(answers), answers, None
        except BarcodeMAEError as error:
            said = f"<p class='said' role='alert'>{_escaped(str(error))}</p>"
            yield said, None, None, None

    def identify(self, barcodes: str, library: str = "") -> dict:
        """Identify barcodes given as FASTA, a table, or plain nucleotides, one barcode a line.

        Gives `summary`, `answers` (a record for each barcode), `left_out` (why), and `stopped`:
        whether the time was up.
        """
        try:
            queries = read_text(barcodes, self.limits)
            asked = library or next(iter(self.libraries))
            *_, (answers, stopped) = self.answers(queries, asked)
        except BarcodeMAEError as error:
            raise gr.Error(one_line(str(error))) from None
        table = answers.table.astype(object).where(answers.table.notna(), None)
        return {
            "summary": sentence(answers.table),
            "answers": table.to_dict("records"),
            "left_out": queries.left_out,
            "stopped": stopped,
        }


def build(libraries: Mapping[str, Identify], limits: Limits) -> gr.Blocks:
    """The page for libraries by name; what identifies gets ids and barcodes and gives answers."""
    page = Page(libraries, limits)
    with gr.Blocks(title="BarcodeMAE", analytics_enabled=False, delete_cache=(600, KEPT)) as app:
        gr.Markdown(
            "# Identify COI barcodes\nKnown species, new species, or no call, with probabilities. "
            f"FASTA, FASTQ, CSV, TSV, xlsx or Parquet, {limits}. What you give is deleted once "
            f"it is read; answers are kept for {KEPT // 60} minutes."
        )
        kept = gr.State(time_to_live=KEPT)
        with gr.Row():
            text = gr.Textbox(
                label="Barcodes: FASTA, a table, or nucleotides, one barcode a line",
                placeholder=_EXAMPLE,
                lines=6,
                max_lines=12,
                scale=3,
            )
            upload = gr.File(
                label="or a file of them",
                file_types=list(ENDINGS),
                height=160,
                scale=2,
            )
        names = list(libraries)
        library = gr.Dropdown(names, value=names[0], label="Library", visible=len(names) > 1)
        start = gr.Button("Identify", variant="primary")
        said = gr.HTML()
        table = gr.Dataframe(
            headers=["#", *_SHOWN.values()],
            label="Verdicts",
            interactive=False,
            datatype="str",
            max_height=420,
            max_chars=60,
            show_search="search",
            pinned_columns=2,
        )
        row = gr.Number(label="Look at barcode # (or click its row)", precision=0, interactive=True)
        details = gr.HTML(elem_classes="details-of")
        files = gr.File(
            label="Files to take away",
            file_count="multiple",
            interactive=False,
            elem_classes="files-of",
        )
        private = {"api_visibility": "private"}
        done = start.click(
            page.show,
            [text, upload, library],
            [said, table, kept, upload],
            concurrency_id="identify",
            **private,
        )
        done.then(_files, kept, files, **private).then(lambda: 1, None, row, **private)
        table.select(_chosen, None, row, show_progress="hidden", **private)
        row.change(_details, [kept, row], details, show_progress="hidden", **private)
        kept.change(_details, [kept, row], details, show_progress="hidden", **private)
        gr.api(page.identify, api_name="identify", concurrency_id="identify")
    return app


def launch(app: gr.Blocks, limits: Limits, host: str, port: int, **options) -> None:
    """Serve the page until it is interrupted."""
    print(f"the page is at http://{host}:{port} (end it with Ctrl-C)", flush=True)
    app.queue(max_size=WAITING, default_concurrency_limit=2)
    app.launch(
        server_name=host,
        server_port=port,
        share=False,
        max_file_size=limits.bytes,
        theme=gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["monospace"]),
        head=f"<style>{style_of_details()}{_STYLE}</style>",
        footer_links=["api"],
        run_history=False,
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
        enable_monitoring=False,
        **{"quiet": True, **options},
    )


def _escaped(text: str) -> str:
    return html.escape(one_line(text))


def _said(answers: Answers, queries: Queries, stopped: Limits | None) -> str:
    done, count = len(answers.table), len(queries.ids)
    parts = [f"<p class='said' role='status'><b>{_escaped(sentence(answers.table))}</b>"]
    if stopped:
        parts.append(
            f". The {stopped.seconds:g} seconds are up: {done:,} of {count:,} barcodes were "
            "identified; give the others by themselves"
        )
    elif done < count:
        parts.append(f", {count - done:,} to go ...")
    parts.append("</p>")
    if queries.left_out:
        named = queries.left_out[:_MOST_LEFT_OUT]
        parts.append(f"<p>Left out ({len(queries.left_out):,}):</p><ul>")
        parts += [f"<li>{_escaped(reason)}</li>" for reason in named]
        more = len(queries.left_out) - len(named)
        parts.append(f"<li>and {more:,} others</li></ul>" if more else "</ul>")
    return "".join(parts)


def _table(answers: Answers) -> pd.DataFrame:
    shown = answers.table[list(_SHOWN)].rename(columns=_SHOWN)
    for name in shown:
        if shown[name].dtype.kind == "f":
            shown[name] = shown[name].map(lambda value: "" if pd.isna(value) else f"{value:.3f}")
        else:
            shown[name] = shown[name].astype(str).map(one_line)
    shown.insert(0, "#", [str(number) for number in range(1, len(shown) + 1)])
    return shown


def _chosen(event: gr.SelectData) -> int:
    return int(event.row_value[0])  # not its place: the visitor may have sorted the table


def _details(answers: Answers | None, number: float | None) -> str:
    if answers is None or not number or not 1 <= number <= len(answers.table):
        return ""
    row = int(number) - 1
    heading = f"<h2>{int(number)}: {_escaped(str(answers.table['id'].iloc[row]))}</h2>"
    return heading + Details(answers, [row]).html(0)


def _files(answers: Answers | None) -> list[str] | None:
    """The answers as files, which Gradio copies to where visitors get them and deletes later."""
    if answers is None:
        return None
    folder = Path(tempfile.mkdtemp(dir=gr.utils.get_upload_folder()))
    paths = [folder / f"barcodes.{ending}" for ending in _FILES]
    for path in paths:
        write_html(answers, path) if path.suffix == ".html" else write(answers, path)
    return [str(path) for path in paths]
