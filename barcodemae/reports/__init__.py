"""What a person or another program reads of identification: tables, workbooks, one HTML page."""
