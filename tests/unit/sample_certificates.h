/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_TESTS_SAMPLE_CERTIFICATES_H
#define CLOUD_TESTS_SAMPLE_CERTIFICATES_H

/*
 * Certificates made with ssh-keygen -s, valid from 2027-01-01T00:00:00Z for an hour, and the
 * fingerprints of their keys as `ssh-keygen -lf` prints them. The private halves were thrown away.
 */

#define CERT_CA_PRINT       "SHA256:LbNmfrTcc1bGWx73F8yJ4CFbH1XMp7rPYmXdT9LMjm0"
#define CERT_CA_BASE64      "AAAAC3NzaC1lZDI1NTE5AAAAIH0c3nxwcDHMerR0ogLdvZBr8AonqLb2RZ1LYzH+xSiM"
#define CERT_ECDSA_CA_PRINT "SHA256:GJoCb4QQgF038OfB0aEJBHsOZ745eG2yTWBLVvCKEng"
#define CERT_RSA_CA_PRINT   "SHA256:c6nPrg/+mb1Ni+wiPrnAzTcXHcqBwmbqkLxTye2WkgE"
#define CERT_GOOD_TYPE      "ssh-ed25519-cert-v01@openssh.com"
#define CERT_GOOD_BASE64                                                                           \
    "AAAAIHNzaC1lZDI1NTE5LWNlcnQtdjAxQG9wZW5zc2guY29tAAAAIJJObr/XqOPok4nl8ueDImfo"                 \
    "DKSwAYZeB4Nl3M2aJObYAAAAID/jO9xRqwSsjEscBkaj+IhDsN2Mg5Xzd3ciZn70KA52AAAAAAAA"                 \
    "AAcAAAABAAAAA3UtMQAAABAAAAAFYWxpY2UAAAADYm9iAAAAAGs27IAAAAAAazb6kAAAAAAAAACC"                 \
    "AAAAFXBlcm1pdC1YMTEtZm9yd2FyZGluZwAAAAAAAAAXcGVybWl0LWFnZW50LWZvcndhcmRpbmcA"                 \
    "AAAAAAAAFnBlcm1pdC1wb3J0LWZvcndhcmRpbmcAAAAAAAAACnBlcm1pdC1wdHkAAAAAAAAADnBl"                 \
    "cm1pdC11c2VyLXJjAAAAAAAAAAAAAAAzAAAAC3NzaC1lZDI1NTE5AAAAIH0c3nxwcDHMerR0ogLd"                 \
    "vZBr8AonqLb2RZ1LYzH+xSiMAAAAUwAAAAtzc2gtZWQyNTUxOQAAAEBqX4/j6Qs26rlJMUfJacSg"                 \
    "ZC17IuxrdrBRH8M0KLLHxeEHkZNpWKWnk8Y221YJ2aA/zJibdkp2H6hWZaK7wmwD"
#define CERT_GOOD_PRINT     "SHA256:6Uj0ejYkOSGHD10fIk6UmfUvz8F5GTGz9Ir9cp+dB+g"
#define CERT_ECDSA_256_TYPE "ecdsa-sha2-nistp256-cert-v01@openssh.com"
#define CERT_ECDSA_256_BASE64                                                                      \
    "AAAAKGVjZHNhLXNoYTItbmlzdHAyNTYtY2VydC12MDFAb3BlbnNzaC5jb20AAAAgOKQxUZnWQ57x"                 \
    "Sf8nihv+UTqCEVLFKyUoxPSEFCXieI4AAAAIbmlzdHAyNTYAAABBBK0/Sc5TCzzxZ29P8wHolLFo"                 \
    "al1ZU/E8Q8clEwjEgc6K18ze1yLQM5fuR37Z9zBPIKIiXH+zntNeTBUK/61lsNP//////////wAA"                 \
    "AAEAAAADdS0xAAAACQAAAAVhbGljZQAAAABrNuyAAAAAAGs2+pAAAAAAAAAAggAAABVwZXJtaXQt"                 \
    "WDExLWZvcndhcmRpbmcAAAAAAAAAF3Blcm1pdC1hZ2VudC1mb3J3YXJkaW5nAAAAAAAAABZwZXJt"                 \
    "aXQtcG9ydC1mb3J3YXJkaW5nAAAAAAAAAApwZXJtaXQtcHR5AAAAAAAAAA5wZXJtaXQtdXNlci1y"                 \
    "YwAAAAAAAAAAAAAAMwAAAAtzc2gtZWQyNTUxOQAAACB9HN58cHAxzHq0dKIC3b2Qa/AKJ6i29kWd"                 \
    "S2Mx/sUojAAAAFMAAAALc3NoLWVkMjU1MTkAAABA83T9pwCJPSzpB1FdrFhDQGxtGbUc5GNvO+Ix"                 \
    "SjLou551lEa5RXfuIF+8OBQDD7Mv059CmR8MyeAueZMg2wgEBg=="
#define CERT_ECDSA_256_PRINT "SHA256:ZVTpdlOqoCbmBI3tVMBXPYWbkVSt6Y6zcpCtcvaUTBo"
#define CERT_ECDSA_384_TYPE  "ecdsa-sha2-nistp384-cert-v01@openssh.com"
#define CERT_ECDSA_384_BASE64                                                                      \
    "AAAAKGVjZHNhLXNoYTItbmlzdHAzODQtY2VydC12MDFAb3BlbnNzaC5jb20AAAAgbFp56zanFL0z"                 \
    "SCv3Eb82U9AYAJkSYcxBm063jqAzx1YAAAAIbmlzdHAzODQAAABhBMTpWSIbf8uDAjML6JGLbbZ8"                 \
    "sho8DDhPdD9uGTfzgzCELYWb4cTrChtTJxpvBwD3WTQGiJIaQfZfR9VE98QDNA2dgjPWBk227s0D"                 \
    "fkeeK3T15jVx/h5ruOslkxGjl9lW/wAAAAAAAAAAAAAAAQAAAAN1LTEAAAAJAAAABWFsaWNlAAAA"                 \
    "AGs27IAAAAAAazb6kAAAAAAAAACCAAAAFXBlcm1pdC1YMTEtZm9yd2FyZGluZwAAAAAAAAAXcGVy"                 \
    "bWl0LWFnZW50LWZvcndhcmRpbmcAAAAAAAAAFnBlcm1pdC1wb3J0LWZvcndhcmRpbmcAAAAAAAAA"                 \
    "CnBlcm1pdC1wdHkAAAAAAAAADnBlcm1pdC11c2VyLXJjAAAAAAAAAAAAAACIAAAAE2VjZHNhLXNo"                 \
    "YTItbmlzdHAzODQAAAAIbmlzdHAzODQAAABhBNf/cdnpF2sml0cdkdYx6QVtEvROCZoFzhV6iSyn"                 \
    "cSqXaV2Ief7L4ZJtmsPxRuDcdofj/9HRw0QVz0NZZsPmYzZ3Q3MqMJNks4diSnwLuqebQVvhKdN/"                 \
    "9Uxmi7YwjmcyEwAAAIUAAAATZWNkc2Etc2hhMi1uaXN0cDM4NAAAAGoAAAAxALQ7+9+d8uiheZ3z"                 \
    "JOqSVg0omRK6DRHngwV+iI+Eczbz5f6Vxjg+y+mGwajSKw2aGQAAADEApuHW4fbsIs+yVvTuVIbD"                 \
    "e4o0Lbf2147DHrlajxT3QXgbo7ANwRb861jEnVXyn+oA"
#define CERT_ECDSA_384_PRINT "SHA256:dKVoPMtOi1kz8bAvnuS+5WyUSe82fc2Ctv3CvLhDkgo"
#define CERT_ECDSA_521_TYPE  "ecdsa-sha2-nistp521-cert-v01@openssh.com"
#define CERT_ECDSA_521_BASE64                                                                      \
    "AAAAKGVjZHNhLXNoYTItbmlzdHA1MjEtY2VydC12MDFAb3BlbnNzaC5jb20AAAAgpqvVk/9xil1k"                 \
    "h/lvjQbNZ2DgbikPqVam/IY9SYDeFpgAAAAIbmlzdHA1MjEAAACFBAFnT8dO5IUXtJ2iviSOo4Wm"                 \
    "mWRTt4THhTwQfQs4Ll3ojN3WrfRg1tFiwkfDSukBYB8xS+JOe8GgJhLCNWtj7pJVrwHpSQ1lnVpP"                 \
    "EmZd0pwZdEhlnhYxir8m6tnV8NsbI80rWet1wGc0QlQIfVEd8p3DIiRENAEqAxdhyTgDh8lRaGys"                 \
    "sAAAAAAAAAAAAAAAAQAAAAN1LTEAAAAJAAAABWFsaWNlAAAAAGs27IAAAAAAazb6kAAAAAAAAACC"                 \
    "AAAAFXBlcm1pdC1YMTEtZm9yd2FyZGluZwAAAAAAAAAXcGVybWl0LWFnZW50LWZvcndhcmRpbmcA"                 \
    "AAAAAAAAFnBlcm1pdC1wb3J0LWZvcndhcmRpbmcAAAAAAAAACnBlcm1pdC1wdHkAAAAAAAAADnBl"                 \
    "cm1pdC11c2VyLXJjAAAAAAAAAAAAAAAzAAAAC3NzaC1lZDI1NTE5AAAAIH0c3nxwcDHMerR0ogLd"                 \
    "vZBr8AonqLb2RZ1LYzH+xSiMAAAAUwAAAAtzc2gtZWQyNTUxOQAAAEAVzHm0EkTSVDCqn/X7w3zP"                 \
    "864pVSxx2H0yQjLUj+DOgGcF/oa0hl9TIJH8BJnvMmepXR1B7B5gQ7UwtYfpAx0K"
#define CERT_ECDSA_521_PRINT "SHA256:1zIYIv+L7u3nH5n0NqXL+9ubamc7vIHg8jcBMs+mNls"
#define CERT_RSA_TYPE        "ssh-rsa-cert-v01@openssh.com"
#define CERT_RSA_BASE64                                                                            \
    "AAAAHHNzaC1yc2EtY2VydC12MDFAb3BlbnNzaC5jb20AAAAgMuELSY2f8JN2nczpRuAyiS1ov/fN"                 \
    "DCeA4lbIvp1HWWgAAAADAQABAAABAQDJMdYibbzqZRTAViZDL8N7Wyeu9xEsZZ/9IgFtYH0a++bO"                 \
    "v7+e6YCeSizpY3mOoSV+O0VO5m/3yfvM1PY6ktwJ9Uw13Hwtv943c/92Z4RRSAy92bVANzKUyYPL"                 \
    "0LzofDc9CC2a1Xp4KmwQwLqRQIwAPLEUBd3lenzb0u39d2KEZHXHmqvZ7n2xQWHc4Nmgh6IY8jMH"                 \
    "a1rDZDa/wuzXnOulrP4w77Dyj2f033yGt8Bl5pUBTfasR+9ykehPz3evFQVUX0Kbb/5RL2CSHKCz"                 \
    "XTi8fYUfkIC85yfDNnxOmpMibsh5JtxIMpThqk2VxWmwaxzjMSCShAUN02X8fHeellu/AAAAAAAA"                 \
    "AAAAAAABAAAAA3UtMQAAAAkAAAAFYWxpY2UAAAAAazbsgAAAAABrNvqQAAAAAAAAAIIAAAAVcGVy"                 \
    "bWl0LVgxMS1mb3J3YXJkaW5nAAAAAAAAABdwZXJtaXQtYWdlbnQtZm9yd2FyZGluZwAAAAAAAAAW"                 \
    "cGVybWl0LXBvcnQtZm9yd2FyZGluZwAAAAAAAAAKcGVybWl0LXB0eQAAAAAAAAAOcGVybWl0LXVz"                 \
    "ZXItcmMAAAAAAAAAAAAAAZcAAAAHc3NoLXJzYQAAAAMBAAEAAAGBALjIXh+PrdvP4VgVLqce+N7f"                 \
    "5rdm3EX+5VrQlFO2GIsN5+p/cIgZQ3+w9eEFTx965lTzbcCPIMBdEK7Sid2klrqxPCUYaOSQDlFK"                 \
    "bbFAC8tfarobGli6T+lDV6zPYzTRRSlFHuyO62ne+Gx9lDlroz+chakAFQLinmKs5vPZlPdKthnP"                 \
    "/m8n8Bfn+IZzGfhZtWnB7DcmmTxyCC8V6+X00jic2Wzy52L44mBMn2csO2Smy6LKFsE8mZzUYK3P"                 \
    "8LqdFqSW7Xr47SaDifJbZKz3VXbS6ly7YqCECrsyF0vkLms0FYEfNSvlSX7liCBcLLiwapOR/UqH"                 \
    "FtukiyESWohlrfABye+nvRIwsi2D/Fg7gH26afpG3TAdL7IY9ZObrKtjYlSb62BXmf3YjEwekLbi"                 \
    "bKYXTpX36hAV8YUMVmLyRUxT8SS1BDVcYXL08HLTlJWzfpCW3Dtm5h5EkuMyyWggZk2G+HY3k5xZ"                 \
    "B1UCg4BsfbUPRiMpmTrRVmKJsers++nLxwAAAZQAAAAMcnNhLXNoYTItNTEyAAABgBeKjg78TIVH"                 \
    "cYWS3Tcx/gMPhbLMW3QW64XSm5tv6qRL1hVnfHXMDBuaHCHV9PKFmerVl9ghRWKN8j7tZvsv89so"                 \
    "GsqZV708+tzvGEW7VNhFG9biEgZFjVwKRqUilyHgPkQs7kg/PgozO+dU3gtbSt+rNo/skzGbp/s4"                 \
    "ZTgNDYafH2yi1C91y/8j52zmec8G9sbfjoh7EBag2VLWLFmS8FplNerUBu8UmLAAUbOlkKuP/khN"                 \
    "n8TysfQLTBvoKeDzvkqddvJpL2iccFzW31EcKJMICVjjGp0gncElayqnkBSWSBqh2/cLar5T7DVk"                 \
    "d5Ln5nrl9PFUrlHfsBRyW0WVVPGyAUh8+8QrbrcfeEI0wiCiq22LSwI+URYjjZUJtUoLIo+Xtg0W"                 \
    "iOu3p/frnyeVwcKvwO5n6N/CI7Gq1Sc9lgEooL2XoAxee8GUhHy+gg+tc/tWsUkEMVZq9ymYw4Yc"                 \
    "Gt0DPNKyKS+6jzF7hu4OqLp5chJQzcL6nlTJ3ZBalAi1qw=="
#define CERT_RSA_PRINT       "SHA256:AiIWRJWV1hXe+Y3k0M5urSWaY6geJxbKd8/qXwK2GvE"
#define CERT_SK_ED25519_TYPE "sk-ssh-ed25519-cert-v01@openssh.com"
#define CERT_SK_ED25519_BASE64                                                                     \
    "AAAAI3NrLXNzaC1lZDI1NTE5LWNlcnQtdjAxQG9wZW5zc2guY29tAAAAICYMoTIPkN5l9n+FiQNI"                 \
    "fW98roFpXrFHNytX29S83nEOAAAAIEFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBAAAA"                 \
    "BHNzaDoAAAAAAAAAAAAAAAEAAAADdS0xAAAACQAAAAVhbGljZQAAAABrNuyAAAAAAGs2+pAAAAAA"                 \
    "AAAAggAAABVwZXJtaXQtWDExLWZvcndhcmRpbmcAAAAAAAAAF3Blcm1pdC1hZ2VudC1mb3J3YXJk"                 \
    "aW5nAAAAAAAAABZwZXJtaXQtcG9ydC1mb3J3YXJkaW5nAAAAAAAAAApwZXJtaXQtcHR5AAAAAAAA"                 \
    "AA5wZXJtaXQtdXNlci1yYwAAAAAAAAAAAAAAMwAAAAtzc2gtZWQyNTUxOQAAACB9HN58cHAxzHq0"                 \
    "dKIC3b2Qa/AKJ6i29kWdS2Mx/sUojAAAAFMAAAALc3NoLWVkMjU1MTkAAABAVK6tac1MNf9vv521"                 \
    "YHHAEUvnxD3q6Np8boZLLZACYzRi4tDvmUCp2tLuKwS/nsbxswTyn12RVxbHJ/Jxsy3qBA=="
#define CERT_SK_ED25519_PRINT "SHA256:cdwMkTb5LDJNu8g3cSCMdRQqifFZ+l/5hjrBSPUsv6M"
#define CERT_SK_ECDSA_TYPE    "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com"
#define CERT_SK_ECDSA_BASE64                                                                       \
    "AAAAK3NrLWVjZHNhLXNoYTItbmlzdHAyNTYtY2VydC12MDFAb3BlbnNzaC5jb20AAAAggdjW+klE"                 \
    "SZxC5nsw6+JGBkK5R+dLLDnnx/5uPUDknMYAAAAIbmlzdHAyNTYAAABBBK0/Sc5TCzzxZ29P8wHo"                 \
    "lLFoal1ZU/E8Q8clEwjEgc6K18ze1yLQM5fuR37Z9zBPIKIiXH+zntNeTBUK/61lsNMAAAAEc3No"                 \
    "OgAAAAAAAAAAAAAAAQAAAAN1LTEAAAAJAAAABWFsaWNlAAAAAGs27IAAAAAAazb6kAAAAAAAAACC"                 \
    "AAAAFXBlcm1pdC1YMTEtZm9yd2FyZGluZwAAAAAAAAAXcGVybWl0LWFnZW50LWZvcndhcmRpbmcA"                 \
    "AAAAAAAAFnBlcm1pdC1wb3J0LWZvcndhcmRpbmcAAAAAAAAACnBlcm1pdC1wdHkAAAAAAAAADnBl"                 \
    "cm1pdC11c2VyLXJjAAAAAAAAAAAAAAAzAAAAC3NzaC1lZDI1NTE5AAAAIH0c3nxwcDHMerR0ogLd"                 \
    "vZBr8AonqLb2RZ1LYzH+xSiMAAAAUwAAAAtzc2gtZWQyNTUxOQAAAEAtknCVY9J4VU3ZO5rbMaeh"                 \
    "S5vnpHDarZDduL2j6vK952T4ST9oJRQBKMKIV8lM9umlgJTWHZoV6HyaqpB/9EgI"
#define CERT_SK_ECDSA_PRINT "SHA256:uKHisqxkGMdck6cUcztjlef/e9IolFuu08/9MLsVv1M"
#define CERT_HOST_TYPE      "ssh-ed25519-cert-v01@openssh.com"
#define CERT_HOST_BASE64                                                                           \
    "AAAAIHNzaC1lZDI1NTE5LWNlcnQtdjAxQG9wZW5zc2guY29tAAAAIAB+jV4EiIeTxHRjHj6K5mh2"                 \
    "AKc2qELNUJzZaiI2DrRsAAAAID/jO9xRqwSsjEscBkaj+IhDsN2Mg5Xzd3ciZn70KA52AAAAAAAA"                 \
    "AAAAAAACAAAAA3UtMQAAAAkAAAAFYWxpY2UAAAAAazbsgAAAAABrNvqQAAAAAAAAAAAAAAAAAAAA"                 \
    "MwAAAAtzc2gtZWQyNTUxOQAAACB9HN58cHAxzHq0dKIC3b2Qa/AKJ6i29kWdS2Mx/sUojAAAAFMA"                 \
    "AAALc3NoLWVkMjU1MTkAAABA7X6dGQxPnFpqVk8k+JLxT5UARoCNUv/51tVn3bIum7Eu+LC+nJZL"                 \
    "1mWsIxTBQ+2EAZtnwu1UByt6cL24/6d4Bw=="
#define CERT_NO_PRINCIPALS_TYPE "ssh-ed25519-cert-v01@openssh.com"
#define CERT_NO_PRINCIPALS_BASE64                                                                  \
    "AAAAIHNzaC1lZDI1NTE5LWNlcnQtdjAxQG9wZW5zc2guY29tAAAAIJBeTHWK0/2kHC5e5WHYLWpF"                 \
    "olruFeMytFmosoAHAOm0AAAAID/jO9xRqwSsjEscBkaj+IhDsN2Mg5Xzd3ciZn70KA52AAAAAAAA"                 \
    "AAAAAAABAAAAA3UtMQAAAAAAAAAAazbsgAAAAABrNvqQAAAAAAAAAIIAAAAVcGVybWl0LVgxMS1m"                 \
    "b3J3YXJkaW5nAAAAAAAAABdwZXJtaXQtYWdlbnQtZm9yd2FyZGluZwAAAAAAAAAWcGVybWl0LXBv"                 \
    "cnQtZm9yd2FyZGluZwAAAAAAAAAKcGVybWl0LXB0eQAAAAAAAAAOcGVybWl0LXVzZXItcmMAAAAA"                 \
    "AAAAAAAAADMAAAALc3NoLWVkMjU1MTkAAAAgfRzefHBwMcx6tHSiAt29kGvwCieotvZFnUtjMf7F"                 \
    "KIwAAABTAAAAC3NzaC1lZDI1NTE5AAAAQJ2iIV+7zmqiQ06M8JFvhkHVh33rYmrxGlGCUNrSNB+t"                 \
    "kjhrABAxUeg+ITVC7xFa9wWkcV9CUKeLoMkDCU0xZwE="
#define CERT_FORCED_TYPE "ssh-ed25519-cert-v01@openssh.com"
#define CERT_FORCED_BASE64                                                                         \
    "AAAAIHNzaC1lZDI1NTE5LWNlcnQtdjAxQG9wZW5zc2guY29tAAAAIDGhtA1nmyyYR/UFFj3BKJz+"                 \
    "ic85G2w997J9FlvkghEZAAAAID/jO9xRqwSsjEscBkaj+IhDsN2Mg5Xzd3ciZn70KA52AAAAAAAA"                 \
    "AAAAAAABAAAAA3UtMQAAAAkAAAAFYWxpY2UAAAAAazbsgAAAAABrNvqQAAAAIgAAAA1mb3JjZS1j"                 \
    "b21tYW5kAAAADQAAAAkvYmluL3RydWUAAACCAAAAFXBlcm1pdC1YMTEtZm9yd2FyZGluZwAAAAAA"                 \
    "AAAXcGVybWl0LWFnZW50LWZvcndhcmRpbmcAAAAAAAAAFnBlcm1pdC1wb3J0LWZvcndhcmRpbmcA"                 \
    "AAAAAAAACnBlcm1pdC1wdHkAAAAAAAAADnBlcm1pdC11c2VyLXJjAAAAAAAAAAAAAAAzAAAAC3Nz"                 \
    "aC1lZDI1NTE5AAAAIH0c3nxwcDHMerR0ogLdvZBr8AonqLb2RZ1LYzH+xSiMAAAAUwAAAAtzc2gt"                 \
    "ZWQyNTUxOQAAAED1sJLJ6PqarPU75mv62LLNC/7qvGs6ZGV3YkFkEGFuOJoMoB3WXtR9dkNw+bXC"                 \
    "xLaKqJV0jd34PJolMcodH/UL"
#define CERT_UNKNOWN_OPTION_TYPE "ssh-ed25519-cert-v01@openssh.com"
#define CERT_UNKNOWN_OPTION_BASE64                                                                 \
    "AAAAIHNzaC1lZDI1NTE5LWNlcnQtdjAxQG9wZW5zc2guY29tAAAAIPcM2BwcIv6uk2aHcNpa3XN/"                 \
    "5V3DdKY6MM3fFYxLWpFtAAAAID/jO9xRqwSsjEscBkaj+IhDsN2Mg5Xzd3ciZn70KA52AAAAAAAA"                 \
    "AAAAAAABAAAAA3UtMQAAAAkAAAAFYWxpY2UAAAAAazbsgAAAAABrNvqQAAAAHgAAABFvdGhlckBl"                 \
    "eGFtcGxlLmNvbQAAAAUAAAABMQAAAIIAAAAVcGVybWl0LVgxMS1mb3J3YXJkaW5nAAAAAAAAABdw"                 \
    "ZXJtaXQtYWdlbnQtZm9yd2FyZGluZwAAAAAAAAAWcGVybWl0LXBvcnQtZm9yd2FyZGluZwAAAAAA"                 \
    "AAAKcGVybWl0LXB0eQAAAAAAAAAOcGVybWl0LXVzZXItcmMAAAAAAAAAAAAAADMAAAALc3NoLWVk"                 \
    "MjU1MTkAAAAgfRzefHBwMcx6tHSiAt29kGvwCieotvZFnUtjMf7FKIwAAABTAAAAC3NzaC1lZDI1"                 \
    "NTE5AAAAQPJHyE0rMmBF41RoRRDaiYqlrbLoINBcAPFTbwhITY5oybeqX2FbrUYevtKF46s9G7h5"                 \
    "LWlthtzgKrGYOU6b/AU="
#define CERT_ENFORCED_TYPE "ssh-ed25519-cert-v01@openssh.com"
#define CERT_ENFORCED_BASE64                                                                       \
    "AAAAIHNzaC1lZDI1NTE5LWNlcnQtdjAxQG9wZW5zc2guY29tAAAAIM84pWA4kp8dOyy3Ld+pRZQL"                 \
    "oQPYA9pYtAC4csiWLSumAAAAID/jO9xRqwSsjEscBkaj+IhDsN2Mg5Xzd3ciZn70KA52AAAAAAAA"                 \
    "AAAAAAABAAAAA3UtMQAAAAkAAAAFYWxpY2UAAAAAazbsgAAAAABrNvqQAAAAPQAAAA5zb3VyY2Ut"                 \
    "YWRkcmVzcwAAABAAAAAMMTkyLjAuMi4wLzI0AAAAD3ZlcmlmeS1yZXF1aXJlZAAAAAAAAACCAAAA"                 \
    "FXBlcm1pdC1YMTEtZm9yd2FyZGluZwAAAAAAAAAXcGVybWl0LWFnZW50LWZvcndhcmRpbmcAAAAA"                 \
    "AAAAFnBlcm1pdC1wb3J0LWZvcndhcmRpbmcAAAAAAAAACnBlcm1pdC1wdHkAAAAAAAAADnBlcm1p"                 \
    "dC11c2VyLXJjAAAAAAAAAAAAAAAzAAAAC3NzaC1lZDI1NTE5AAAAIH0c3nxwcDHMerR0ogLdvZBr"                 \
    "8AonqLb2RZ1LYzH+xSiMAAAAUwAAAAtzc2gtZWQyNTUxOQAAAEAX4yp62Dr5XqKQeRRMli9NjIst"                 \
    "y+wsEndymfoTzjkQFsMcGfBZE3BBdRjCvQZg3LxxGFJ6A4UY9Anw23uUePYB"
#define CERT_FOREVER_TYPE "ssh-ed25519-cert-v01@openssh.com"
#define CERT_FOREVER_BASE64                                                                        \
    "AAAAIHNzaC1lZDI1NTE5LWNlcnQtdjAxQG9wZW5zc2guY29tAAAAIH3AW4GgaF8UHySJ+dU4OKgR"                 \
    "qli6LFkK7RGCcuLDzp2DAAAAID/jO9xRqwSsjEscBkaj+IhDsN2Mg5Xzd3ciZn70KA52AAAAAAAA"                 \
    "AAAAAAABAAAAA3UgMQAAAAkAAAAFYWxpY2UAAAAAAAAAAP//////////AAAAAAAAAIIAAAAVcGVy"                 \
    "bWl0LVgxMS1mb3J3YXJkaW5nAAAAAAAAABdwZXJtaXQtYWdlbnQtZm9yd2FyZGluZwAAAAAAAAAW"                 \
    "cGVybWl0LXBvcnQtZm9yd2FyZGluZwAAAAAAAAAKcGVybWl0LXB0eQAAAAAAAAAOcGVybWl0LXVz"                 \
    "ZXItcmMAAAAAAAAAAAAAADMAAAALc3NoLWVkMjU1MTkAAAAgfRzefHBwMcx6tHSiAt29kGvwCieo"                 \
    "tvZFnUtjMf7FKIwAAABTAAAAC3NzaC1lZDI1NTE5AAAAQMafBUg7xoSgSTzcclFJBneYDbm3vy0n"                 \
    "Q4l6yvKTnZmmZ9WKP5Gos5GwDx+/LZ6h7+g4n14PThbU2RfS4k6J7gw="
#define CERT_WEAK_KEY_TYPE "ssh-rsa-cert-v01@openssh.com"
#define CERT_WEAK_KEY_BASE64                                                                       \
    "AAAAHHNzaC1yc2EtY2VydC12MDFAb3BlbnNzaC5jb20AAAAg3kx+x77uLYKaxjhDE3zKA5cCkyTC"                 \
    "UTpFuW7q63L8Uw0AAAADAQABAAAAgQDRj4RCEGhjJhx0zWffEk9/17KnURVxAOK/QJFG1g4eIWqN"                 \
    "hGf5n2xNHUDDJtEr3qx4LladZTaWD6eSblKtGb3QLfl1a+lCJ8i9iV2qRv8NbYOlmAJ688pJZgi1"                 \
    "VkhqeplChg0LfJ6wdhb8I+YPQlyqIIQulj4+OfHccOgfTE+gEQAAAAAAAAAAAAAAAQAAAAN1LTEA"                 \
    "AAAJAAAABWFsaWNlAAAAAGs27IAAAAAAazb6kAAAAAAAAACCAAAAFXBlcm1pdC1YMTEtZm9yd2Fy"                 \
    "ZGluZwAAAAAAAAAXcGVybWl0LWFnZW50LWZvcndhcmRpbmcAAAAAAAAAFnBlcm1pdC1wb3J0LWZv"                 \
    "cndhcmRpbmcAAAAAAAAACnBlcm1pdC1wdHkAAAAAAAAADnBlcm1pdC11c2VyLXJjAAAAAAAAAAAA"                 \
    "AAAzAAAAC3NzaC1lZDI1NTE5AAAAIH0c3nxwcDHMerR0ogLdvZBr8AonqLb2RZ1LYzH+xSiMAAAA"                 \
    "UwAAAAtzc2gtZWQyNTUxOQAAAEDy+t1UcCprpbB3rQTwNyy43uqyR6qF9rAHDty6TC0VD93r7kYJ"                 \
    "/I6m9joMtnCD8NvSJXXRYo4fl7e3DxxSoJIJ"
#define CERT_WEAK_CA_TYPE "ssh-ed25519-cert-v01@openssh.com"
#define CERT_WEAK_CA_BASE64                                                                        \
    "AAAAIHNzaC1lZDI1NTE5LWNlcnQtdjAxQG9wZW5zc2guY29tAAAAINpi/KISBppCAu/HdO0vQ791"                 \
    "Wwain4FdCtsTPNnK+77MAAAAID/jO9xRqwSsjEscBkaj+IhDsN2Mg5Xzd3ciZn70KA52AAAAAAAA"                 \
    "AAAAAAABAAAAA3UtMQAAAAkAAAAFYWxpY2UAAAAAazbsgAAAAABrNvqQAAAAAAAAAIIAAAAVcGVy"                 \
    "bWl0LVgxMS1mb3J3YXJkaW5nAAAAAAAAABdwZXJtaXQtYWdlbnQtZm9yd2FyZGluZwAAAAAAAAAW"                 \
    "cGVybWl0LXBvcnQtZm9yd2FyZGluZwAAAAAAAAAKcGVybWl0LXB0eQAAAAAAAAAOcGVybWl0LXVz"                 \
    "ZXItcmMAAAAAAAAAAAAAAJcAAAAHc3NoLXJzYQAAAAMBAAEAAACBAM2SxZqlDOFGDyA0xOwpydsr"                 \
    "AaKoyDhUnGM1514XdefnJYln8qBsva4XJLJ3lE5LD4EMkgk4TiRTjq8qXDSKH0oF9yyf/HUQGm8T"                 \
    "nCpz0ixWVxmAYzy0EupXe1xnGqXyoNCsVsbJ0NpoTPXMcfm0rywN09rsN+jP61G2FFT0yvS/AAAA"                 \
    "lAAAAAxyc2Etc2hhMi01MTIAAACADpCtgXnrSIgX2w6VwtmkrLK5CzwrP7W/i0/KC8n3DiyeM/dy"                 \
    "kn7Dgo1hIhvvhYbEWxTGK9wvGlyiiJTzNtk+0cU8RSJfpMluvTLfOX3XogeZDCyIOfasG6C1Oe8g"                 \
    "WOt+4xfLpsWoOVtJmckBa72aM74Ts6nv7B5nXGaDdLOSklw="
#define CERT_DSA_TYPE "ssh-dss-cert-v01@openssh.com"
#define CERT_DSA_BASE64                                                                            \
    "AAAAHHNzaC1kc3MtY2VydC12MDFAb3BlbnNzaC5jb20AAAAgOpsKpTv5+GEmSX9/E47LWOkBHa5a"                 \
    "O42PtLsUGmt/aEEAAACBALo5duEobuXs/GfPkulz9s1LiOKCYcfUxKWoD+UGR+LyQCBNSEo6r/nw"                 \
    "/ODM+JngP6CsNkmeI0AYeyA8iBJ1D4Ng1vvZhuAua7d9sjsjBPZRjjAjP8I5yDWyHEt2tZJU3mHZ"                 \
    "/hRoSY6MYeijb0qcLjYCmEun8VWH8XxqSZcuUHZrAAAAFQC3lsAszH7FQsyrGztnk9RyXnrpaQAA"                 \
    "AIBmShNXlY9H/QDPyZ28sgH+b2FG67MESoVTIk/HGaV1IWU3qwDMMseHXOCgw3htVGlQOA8GU+2t"                 \
    "FGJ6l38L2BrqMlfxbYHjOT+nb8P630rnzDChLaCIebsz9itKeHF4dQg3fVz0OS7MmhVwXg1h/i+d"                 \
    "qYVPpBhSDZRcW0R4f+5FhAAAAIEAptzXCnKkonkxyF7OZ4D7JoBKKBhUMfDuLX3hERIfoOx55biZ"                 \
    "tSTWoTqR4GSOY4YcJLEWw+nnhTKy9/7OoiAEV+GL0Vcw2nP2W3oFwngcfIfqrFozsWHjnBEPbmdQ"                 \
    "LTzQN/EbugEQoVjZxxWCoEBAoAUndDmz94WX+72gYB1T79gAAAAAAAAAAAAAAAEAAAADdS0xAAAA"                 \
    "CQAAAAVhbGljZQAAAABrNuyAAAAAAGs2+pAAAAAAAAAAggAAABVwZXJtaXQtWDExLWZvcndhcmRp"                 \
    "bmcAAAAAAAAAF3Blcm1pdC1hZ2VudC1mb3J3YXJkaW5nAAAAAAAAABZwZXJtaXQtcG9ydC1mb3J3"                 \
    "YXJkaW5nAAAAAAAAAApwZXJtaXQtcHR5AAAAAAAAAA5wZXJtaXQtdXNlci1yYwAAAAAAAAAAAAAA"                 \
    "MwAAAAtzc2gtZWQyNTUxOQAAACB9HN58cHAxzHq0dKIC3b2Qa/AKJ6i29kWdS2Mx/sUojAAAAFMA"                 \
    "AAALc3NoLWVkMjU1MTkAAABAMd2AaZ7J+0gmNWaYguOH+Kv2c7JwG/EPe2EWGQijvpFWEQyluqAj"                 \
    "pLwix/tQESfMGhv5vMoJ2Fc/IoV/23D0DA=="

#endif
