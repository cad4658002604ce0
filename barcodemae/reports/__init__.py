"""What a person or another program reads of identification: tables, workbooks, one HTML page."""

from barcodemae.reports.files import ENDINGS, check, write, write_table
from barcodemae.reports.page import check_html, write_html
from barcodemae.reports.summary import sentence

__all__ = ["ENDINGS", "check", "check_html", "sentence", "write", "write_html", "write_table"]
