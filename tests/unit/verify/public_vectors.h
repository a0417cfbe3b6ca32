/* Made by tests/vectors/public.mjs (Node crypto, Python cryptography); do not edit. */
/* clang-format off */
#ifndef GAFF_TESTS_PUBLIC_VECTORS_H
#define GAFF_TESTS_PUBLIC_VECTORS_H
#define V_RSA_PUB \
    "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQE" \
    "A+PaqaOKFrqCg8pRECnOK\ncOMeWENjQ1h5RmIdq9BA7KiQGnMlMw2zFPjX43mcxsb86xyJ" \
    "5fjNlwTndgW7o5b/\n/XZUizgYsU6ndZqjK6kv2G9oC3C/8E7/y2MnYKaMnMW7Ke+teUgCU" \
    "SMUBW2xhRxU\ne5bJHbZDSK2U804pqJr59pCzNDPDus1mMK4hinVDoAVu7cPvlQ7nme6SLl" \
    "sWnFiZ\nnYyefgAWweuty9569wpGbivzcCdBRFw7uKOcKanBk8Y7YSfFxrVQKzpYnUugK/c" \
    "6\nJUZY9359EM5Rec1sJafPMPcZUfSkbqC7D6mGqUciulAm+qjAWAmF3fcHIku6nhTk\ndwI" \
    "DAQAB\n-----END PUBLIC KEY-----\n"
#define V_RSA_SIG \
    "Uzvt8+P7Jv7sIzKx8EjIF7s5s3yAxedTOKpSTxbQTmQR+O22fOrFehXZtZJU72JOx/qdNi" \
    "ZXlrWrmL+PmJH0jP0XH0FasPqhp0nzs+d6oISaXKeUDtIOj/97l0lNzioJzs1DmBwiLHwX" \
    "eBIZLQQs7BDB0SzUbQ1oXnXu/UADMKdFgRwPVUGqBENdA13F3qsSkTPIJWgk6k2+3hupMj" \
    "3iDhJkoN9jkNqBARskJE5jAW7hhaVHgimp+exYeLfyMqdAShucRswgY0IlnwO2YLvprSDw" \
    "+RelNTqN8CaM2XFcQeBe6wOUUF9CJX6fOuXBRFz+RlaeOBLUbGhD/C14eZUgLQ=="
#define V_RSA_SHA1 \
    "zGT8HiwbSKnMRuzXJYRGISW4ktkfQjdYilN9GvQ8m9OQge0hkZN3JqK0j9cAjHvv2P8YfG" \
    "HhbdlfYUDe5piPgnJkSNt/Rh7NEeRmHvAAn1JZpH5m5t4rJQhsaikuUPV94rwxWC1Ip2/E" \
    "aalTqVCbMkoeWcGFtu6Mc8APmSLriQYqAymkOl2pyNP46FFW+xBfcPZ0lPN0aFX6/1emLt" \
    "YVHIZOyii6cJQ69Rrdz6k60KMAn39nRV/bpPZgxsuT5n37tIPoYztmbHFHvRQVW7PKJsJc" \
    "UlR3nVTF3jU4L8gj3FfNqwWSY8y4Kg7Vy5jnjISi+CZcL3BB+66PjI+Zrom8CQ=="
#define V_PSS_SIG \
    "h82ZygYf/Sdf7V2sBJhvbUu2bR/cdR+7kkF8Xr9/hKlMngtCjFdxb+aFVpQ0b2kXS5M8wi" \
    "v9S9/UooSoZE5tewYFiMZ1Eh9dJVO3pK3EAXY+CIf35JfLqYB9jtgzoJ25ul3I8TAozVjC" \
    "LYEK26va7AOkyqjmwTPx+8iw39B5APISfZk+iaBe216zkP3pHTfjOr8rPhR87FHfaSDYZu" \
    "xTg6AybcvF1v+BCfkF0WPe4rZ10yu59/4SYb+M+o9R0yGH6J+oIpCs0JxxIB3xw0Q+5XEU" \
    "dN6ZQCkeMJUp/6x17XWa09gulGrHA8Q5NrcFvvBMLXf0XXzsXmKiKH3n1VAzpQ=="
#define V_EC_PUB \
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEjybFD2AaifaGKHOVBhiyQ66hqtUhQzZ/iL" \
    "rnYaaudDmufNqfMoNmis1P84D9Wb3YIknE4i/gua3Q8+JkUcu/MA=="
#define V_EC_DER \
    "MEQCIFOWqoMwm96kcywgvLOpgSDdVaNcpOhtp1QQ4gL0NxxgAiBcBMJsQk/aDq5ikNTsbC" \
    "Y5cydzuCakTn2pBXbjwTH+QQ=="
#define V_EC_SHA1 \
    "MEYCIQDEgbl+EakwxRJR9cqMXvgPrK3VLQjlLYcJPuI8faiCvwIhAIKegKM5CGbD2i1H2H" \
    "s9l/cJPg6GvWqtXMV7ixtjDwl5"
#define V_EC_RAW \
    "ZkXhpsMWbGCuj9Gpm8/Wq5mvmlBY36GqyaKRXpnnO7HBmnRtA7aOyqs0qXmtuLzW0sDVYu" \
    "SOWcYVsgULTmjlXQ=="
#define V_EBAY \
    "eyJhbGciOiJlY2RzYSIsImtpZCI6Ims5Iiwic2lnbmF0dXJlIjoiTUVZQ0lRREVnYmwrRW" \
    "Frd3hSSlI5Y3FNWHZnUHJLM1ZMUWpsTFljSlB1SThmYWlDdndJaEFJS2VnS001Q0diRDJp" \
    "MUgySHM5bC9jSlBnNkd2V3F0WE1WN2l4dGpEd2w1IiwiZGlnZXN0IjoiU0hBMSJ9"
#define V_ED_SHA \
    "3c9881327394f7c2e80baabc929bcb1a1dc408367ac311174bcd6f5990562d07eae895" \
    "efb2eb4c8f58b923ddc3f9af816c1806754b151f668bce639fd3bd4505"
#define V_ED_PUB \
    "82106204fdea1621fe58056499a455f59a40925e3712992426af1663b24361d3"
#define V_JWT_HS \
    "eyJhbGciOiJIUzI1NiIsImtpZCI6ImsiLCJ0eXAiOiJKV1QifQ.eyJpc3MiOiJwcm92Iiw" \
    "iYXVkIjpbIngiLCJtZSJdLCJpYXQiOjE3OTU0NDMzOTAsImV4cCI6MTc5NTQ0MzY5MCwic" \
    "2hhMjU2IjoiMDE1YWJkN2Y1Y2M1N2EyZGQ5NGI3NTkwZjA0YWQ4MDg0MjczOTA1ZWUzM2V" \
    "jNWNlYmVhZTYyMjc2YTk3Zjg2MiIsImp0aSI6ImoxIiwidHlwZSI6InBhaWQifQ.34ZT3Z" \
    "aBfYob_o4qMU2w-p9Yoddb0KiJrjh5Vo-IxIE"
#define V_JWT_RS \
    "eyJhbGciOiJSUzI1NiIsImtpZCI6InJzMSIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJwcm92I" \
    "iwiYXVkIjpbIngiLCJtZSJdLCJpYXQiOjE3OTU0NDMzOTAsImV4cCI6MTc5NTQ0MzY5MCw" \
    "ic2hhMjU2IjoiMDE1YWJkN2Y1Y2M1N2EyZGQ5NGI3NTkwZjA0YWQ4MDg0MjczOTA1ZWUzM" \
    "2VjNWNlYmVhZTYyMjc2YTk3Zjg2MiIsImp0aSI6ImoxIiwidHlwZSI6InBhaWQifQ.yRQC" \
    "q6mJMt9nKCxwVrBdJcLSCnNUrLYv1903E3OHadnQ6FtW3_hp6l3OJCpDqU8UwRnn-YuC52" \
    "VdGIv29JpJrPCWseKE5VPwi_6wvbd1UnPwpYdheYFer2QaOJcrW83Oiz7Ezy59ocly_Q_f" \
    "FtcpC9NNMgKeflQSMIW2Dgc0b0nUIERWy-WsgXH9ba_DO-jMK2KKb1aFoG70kZZTVefQiW" \
    "nqFFdAUj5o1cJq_ouRHPZ2uiDckgWlZCjxRoTEpZJvDgltmEwW4dhDOcuKoPUE_0drEcdc" \
    "REWIiahg1mxPGzIGruJfj6jF-9gU3w-HzoHhQBH5cj9RgTrZQlTtIU6leQ"
#define V_JWT_ES \
    "eyJhbGciOiJFUzI1NiIsImtpZCI6ImVzMSIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJwcm92I" \
    "iwiYXVkIjpbIngiLCJtZSJdLCJpYXQiOjE3OTU0NDMzOTAsImV4cCI6MTc5NTQ0MzY5MCw" \
    "ic2hhMjU2IjoiMDE1YWJkN2Y1Y2M1N2EyZGQ5NGI3NTkwZjA0YWQ4MDg0MjczOTA1ZWUzM" \
    "2VjNWNlYmVhZTYyMjc2YTk3Zjg2MiIsImp0aSI6ImoxIiwidHlwZSI6InBhaWQifQ.f8Qv" \
    "BAxOWWfjvgqy_zNew6le5q95K-648Oln1Z_gymh7MGjD_W-HcfO-oWFORM19SJTVjWzmaV" \
    "evon5fialngg"
#define V_JWT_ED \
    "eyJhbGciOiJFZERTQSIsImtpZCI6ImVkMSIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJwcm92I" \
    "iwiYXVkIjpbIngiLCJtZSJdLCJpYXQiOjE3OTU0NDMzOTAsImV4cCI6MTc5NTQ0MzY5MCw" \
    "ic2hhMjU2IjoiMDE1YWJkN2Y1Y2M1N2EyZGQ5NGI3NTkwZjA0YWQ4MDg0MjczOTA1ZWUzM" \
    "2VjNWNlYmVhZTYyMjc2YTk3Zjg2MiIsImp0aSI6ImoxIiwidHlwZSI6InBhaWQifQ.mcUg" \
    "DU4rPUVRymTZaZHY-rJY_qRKt9xBnP5jS98wVAd1IviaDvJ9emA7bA-hKBOCLZZuqls_XV" \
    "lKhzlJkqTKCw"
#define V_JWT_OLD \
    "eyJhbGciOiJSUzI1NiIsImtpZCI6InJzMSIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJwcm92I" \
    "iwiYXVkIjpbIngiLCJtZSJdLCJpYXQiOjE3OTU0NDMyOTAsImV4cCI6MTc5NTQ0MzM1OSw" \
    "ic2hhMjU2IjoiMDE1YWJkN2Y1Y2M1N2EyZGQ5NGI3NTkwZjA0YWQ4MDg0MjczOTA1ZWUzM" \
    "2VjNWNlYmVhZTYyMjc2YTk3Zjg2MiIsImp0aSI6ImoxIiwidHlwZSI6InBhaWQifQ.f1Y2" \
    "Gg7IAj6oC6H7RsLSuMeWEc_lpBjRgV8z9Ns19xqOMfcLnnobseHzOIi2gq3TKLZcmZ6oZm" \
    "zhPVw90UJcC70GTCQEa2dA5G7YJWALGVvGfDfA5TReRjjF5mPM3AZMxhEfXWlp7lmKxCt3" \
    "H75dEMmsYnQ08_9m7FMno6o6h9u4z_EN1rPxzcCp1aj5gwLJzGeZhm8TFAOLo2uRCWXbLi" \
    "HDO4KlVX4HQI15OEf4DLSBJRJVqGuE-bQytewqDgQT4coMky4mYFPS4Rb2SgmYwNHCGh40" \
    "HlOJLT7AbD24NRDER9bsoWK_tekWZv4tQSs6c0lkrJP_A0O6jRva-O8ZIA"
#define V_JWT_KID \
    "eyJhbGciOiJSUzI1NiIsImtpZCI6Im5vYm9keSIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJwc" \
    "m92IiwiYXVkIjpbIngiLCJtZSJdLCJpYXQiOjE3OTU0NDMzOTAsImV4cCI6MTc5NTQ0MzY" \
    "5MCwic2hhMjU2IjoiMDE1YWJkN2Y1Y2M1N2EyZGQ5NGI3NTkwZjA0YWQ4MDg0MjczOTA1Z" \
    "WUzM2VjNWNlYmVhZTYyMjc2YTk3Zjg2MiIsImp0aSI6ImoxIiwidHlwZSI6InBhaWQifQ." \
    "tEq5hK4xOXy6VJ0HefruCtnw2ysRZCFowEVNSnu-vLEeHQJkW58YN6NGm8Ox8ZpvoTvsDE" \
    "lTC9Z7XAq-ZsPxs-M2OAmVdCsFrVQt2RXQ6My-yQXEm0MEr29sow72Q0pQcfuJHjdOPdSG" \
    "mvCAXS5eXzFauLA-GGdEUqkvNN8MYP-4-MdXF07Q63Siyv0IAaGAzST9D5EVykmvXuBK7M" \
    "JrOJfPMJ2jcA4xPHJRmRuKeurL2YmQbx-rPLvo6f1V6JGnvaSqJGrz2fN9NwYkPj2F9Dgp" \
    "i0Z5C5kqGdLSCWYbWJqlR1LvR_ZJqrmG04S1mCrivoVxI4r1Smld73N_VbADTw"
#define V_JWT_NONE \
    "eyJhbGciOiJub25lIn0.eyJpc3MiOiJwcm92IiwiYXVkIjpbIngiLCJtZSJdLCJpYXQiOj" \
    "E3OTU0NDMzOTAsImV4cCI6MTc5NTQ0MzY5MCwic2hhMjU2IjoiMDE1YWJkN2Y1Y2M1N2Ey" \
    "ZGQ5NGI3NTkwZjA0YWQ4MDg0MjczOTA1ZWUzM2VjNWNlYmVhZTYyMjc2YTk3Zjg2MiIsIm" \
    "p0aSI6ImoxIiwidHlwZSI6InBhaWQifQ.AA"
#define V_JWT_CONFUSED \
    "eyJhbGciOiJIUzI1NiIsImtpZCI6InJzMSJ9.eyJpc3MiOiJwcm92IiwiYXVkIjpbIngiL" \
    "CJtZSJdLCJpYXQiOjE3OTU0NDMzOTAsImV4cCI6MTc5NTQ0MzY5MCwic2hhMjU2IjoiMDE" \
    "1YWJkN2Y1Y2M1N2EyZGQ5NGI3NTkwZjA0YWQ4MDg0MjczOTA1ZWUzM2VjNWNlYmVhZTYyM" \
    "jc2YTk3Zjg2MiIsImp0aSI6ImoxIiwidHlwZSI6InBhaWQifQ.N-PgLypRpBHcAmkK3KVx" \
    "DgdY6I5kKmSnGEHMADaiuss"
#define V_JWKS \
    "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"-PaqaOKFrqCg8pRECnOKcOMeWENjQ1h5RmIdq9BA7Ki" \
    "QGnMlMw2zFPjX43mcxsb86xyJ5fjNlwTndgW7o5b__XZUizgYsU6ndZqjK6kv2G9oC3C_8" \
    "E7_y2MnYKaMnMW7Ke-teUgCUSMUBW2xhRxUe5bJHbZDSK2U804pqJr59pCzNDPDus1mMK4" \
    "hinVDoAVu7cPvlQ7nme6SLlsWnFiZnYyefgAWweuty9569wpGbivzcCdBRFw7uKOcKanBk" \
    "8Y7YSfFxrVQKzpYnUugK_c6JUZY9359EM5Rec1sJafPMPcZUfSkbqC7D6mGqUciulAm-qj" \
    "AWAmF3fcHIku6nhTkdw\",\"e\":\"AQAB\",\"kid\":\"rs1\"},{\"kty\":\"EC\",\"x\":\"jybFD2Aa" \
    "ifaGKHOVBhiyQ66hqtUhQzZ_iLrnYaaudDk\",\"y\":\"rnzanzKDZorNT_OA_Vm92CJJxOIv" \
    "4Lmt0PPiZFHLvzA\",\"crv\":\"P-256\",\"kid\":\"es1\"},{\"crv\":\"Ed25519\",\"x\":\"ghBi" \
    "BP3qFiH-WAVkmaRV9ZpAkl43EpkkJq8WY7JDYdM\",\"kty\":\"OKP\",\"kid\":\"ed1\"},{\"kt" \
    "y\":\"oct\",\"k\":\"AA\",\"kid\":\"x\"}]}"
#define V_JWS \
    "eyJhbGciOiJFUzI1NiIsImtpZCI6ImVzMSJ9..ObyJ41kOkFaQMYRhDEIh9s_alAVtJIXb" \
    "khSXsvqQlOL5u4syQIJc5vYK8KG8Ywldu6AT4SqXavjIcUkMDct4yQ"
#define V_JWS_PLAIN \
    "eyJhbGciOiJSUzI1NiIsImtpZCI6InJzMSIsImI2NCI6ZmFsc2UsImNyaXQiOlsiYjY0Il" \
    "19..Oq3D05570kMWZpIfxHh6UyDHKB59NZhPxtywjaq0dK0VcXNH_W0ttdkNvQ53q9s3-H" \
    "GBPuSyaUtP7Eok5uZRp4vwy_fwPrzZLtsQeMq9b_jcEaKnkP83rze5aIBriBxlUpDuUSn5" \
    "4us0_mOozdKDW42SIr2bhTF60qnO6vRBVQd0dSfttEaJK0L5m8TM2MAm46AGnatnd5Xr-y" \
    "kby4WxIXoLrEfimkWwQtRN_Y92rYl54uVt5Tzn7FtTb2a107tw6nzZXxZNTqFbWP9WaFxP" \
    "gdWevfI4xKEEL4AjVSS7B0VmqK2vTm26iItvzUOWROoiIPybETDCxJR-c36yuH1TMA"
#define V_JWS_TL \
    "eyJhbGciOiJFUzI1NiIsImtpZCI6ImVzMSIsInRsX2hlYWRlcnMiOiJYLUEsWC1CIn0..4" \
    "XjePYC67hNGcolA3iv2DP5WRd3lG7Tt936vcG3_cTFaHBWVYyrdIJ78jE0Tgo1RVB1lkQ7" \
    "92Yry4Tst2zvPEQ"
#define V_CERT \
    "-----BEGIN CERTIFICATE-----\nMIICpzCCAY+gAwIBAgIBATANBgkqhkiG9w0BAQsFAD" \
    "AWMRQwEgYDVQQDDAtzbnMu\nZXhhbXBsZTAgFw0yMDAxMDEwMDAwMDBaGA8yMDk5MDEwMTA" \
    "wMDAwMFowFjEUMBIG\nA1UEAwwLc25zLmV4YW1wbGUwggEiMA0GCSqGSIb3DQEBAQUAA4IB" \
    "DwAwggEKAoIB\nAQD49qpo4oWuoKDylEQKc4pw4x5YQ2NDWHlGYh2r0EDsqJAacyUzDbMU+" \
    "NfjeZzG\nxvzrHInl+M2XBOd2Bbujlv/9dlSLOBixTqd1mqMrqS/Yb2gLcL/wTv/LYydgpo" \
    "yc\nxbsp7615SAJRIxQFbbGFHFR7lskdtkNIrZTzTimomvn2kLM0M8O6zWYwriGKdUOg\nBW" \
    "7tw++VDueZ7pIuWxacWJmdjJ5+ABbB663L3nr3CkZuK/NwJ0FEXDu4o5wpqcGT\nxjthJ8X" \
    "GtVArOlidS6Ar9zolRlj3fn0QzlF5zWwlp88w9xlR9KRuoLsPqYapRyK6\nUCb6qMBYCYXd" \
    "9wciS7qeFOR3AgMBAAEwDQYJKoZIhvcNAQELBQADggEBAEZH2kvO\nl1Q0BHgln6xif5JP4" \
    "gQE1WfPsBJfhdvZQLd4/Y1az0iPuq5zfcTjaop6Y6jugbON\njuDTRBneclZ2Clrz+lTff3" \
    "/qSIwEUghxsP0fv2NCVJVy1LeOe99Kd1mQdOYJse3Y\nE82K1HY8TmEiILzKkLAF6uh7WYq" \
    "L4yce9eVxzPR3YtKncuRsc+OHBgC1o6qzw03b\nJmXegpRU9wkH9qTcfoXqfVV0Mr6vS9/M" \
    "09If+Yex0iXVrQKVxadwowwHAIf4TxMP\nSzfBpyPe2Q2r0PddD5dENkpxxTdWXyd6gPSx8" \
    "qh5tGjQL6A6Ru+FfA7but0QpPli\nxTO25yJSL3pc+TQ=\n-----END CERTIFICATE-----" \
    "\n"
#define V_SNS2 \
    "0A7sdjW/XuOACPtsIs5U+URFNdtIzjQxkZhcCcC21Au4+MTn/n79LNFvqBfz0DJhchaLqw" \
    "gb9yoXJmWTCarAfiwWQBU72B2xVGGyMyJQSrAWSNqZS8MCPSOYlXiWRFO2fMnTqldxXdRQ" \
    "aROMKLbsLGdnxrro3aO1blyhRJHa2WZ9evP6p/KGBrfBDB22aGya/VcCOo6ckK4EyWjH9w" \
    "+386TbQ+0CojAYnaLX3Az8UmXwOwUwhB+avWPrMhEOud+2asvEyA8gHNh2fcs2liDoO5Wd" \
    "2UazYsKXY243LvhoVl1cUZ61QWGBy8rG8/dUZKVFUbLGUq4lqARXUJf+p+6RUA=="
#define V_SNS1 \
    "hdN7w6ZXiHzUcjHFaU3aWz9pBDbGynmMnH9ApfgUyQiyGmkeCaxh1j43d92ukQZHGFcPhe" \
    "7UUBQp1DOdQt/OXcM9f1bKrezUvIMrz+gaN5svEU4IBKWRDAFJRBftX2/41y/s0DL+F1Wa" \
    "+Z7bvBIuTU3XyDC3JpTi+uMm+18NZIk+BQ/h883qO6Q1lsRkV28NCeAR8SKCuGTgMfhaXQ" \
    "PsikC509zqvmb3O8oJ745yQ+Pz71rS/qWyT790H26V28W7Nl2Z/EJcQwN3zK1GptPvsl+k" \
    "2v8LzLgDbXCcAvW8qU+n4pmpfmSH9qgBbIs4bZxJFRfEWexAFyst28Un9vw5nA=="
/* clang-format on */
#endif
