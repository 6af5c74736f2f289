from sautikitd.csv_lines import csv_lines


def test_what_a_spreadsheet_would_run_is_kept_text_and_numbers_and_nothing_stay_as_they_are() -> None:
    row = ["=1+1", "@SUM(A1)", "-5+2", -5, "+254712345678", "+254712345678,+254733000001", "", None, "a,b"]
    assert csv_lines([row]) == (
        b'\'=1+1,\'@SUM(A1),\'-5+2,-5,+254712345678,"+254712345678,+254733000001",,,"a,b"\r\n'
    )
