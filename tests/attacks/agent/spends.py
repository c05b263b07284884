"""Asks its model's API again and again, as a program in a loop would."""

import urllib.error
import urllib.request

for number in range(40):
    try:
        urllib.request.urlopen("http://127.0.0.1:8080/v1/messages", data=b"{}", timeout=30).read()
        print("answered", number)
    except urllib.error.HTTPError as error:
        print("refused", number, error.code, error.read().decode())
