"""Where a reading differs from the facts, one by one, and why.

By capture, then by check, then by the difference in the words of the check.
"""

_FRAGMENTS = "tshark finds no transport in a fragment, which counts here with its datagram's flow"
_STOPPED = "the reference implementation ended at a packet it could not read, before this flow did"
_LATER = "tshark's id, without ports, of a fragment that belongs to its datagram's flow here"
_QUOTED = "counts the packet that an ICMP error quotes, which did not travel here"
_SAMPLED = "counts the packet that an sFlow datagram describes, which did not travel here"
_INSIDE = "the flow inside a tunnel that the flow engine stays outside of: {}"
_OUTSIDE = "tshark names only the flow inside this tunnel, and the reference implementation stops at it"
_AROUND = "the reference implementation stops at the datagrams around a tunnel, which count here by what they carry"
_BUBBLE = "a Teredo bubble, an IPv6 packet without content, whose id tshark makes with the ports of the datagram around"
_OUTER = "counted by every protocol in the frame; here by the one of the packet inside the tunnels"
_PROTOCOL_0 = "neither tool gives an id to IP protocol 0"
_ORDER = "carried by segments out of order, which are put in order here and were not when the facts were made"
_PIECE = "a piece of a response whose segments were not put in order when the facts were made"
_GAP = "a segment missing from the capture holds back what follows it on the connection"
_JOINED = "Suricata joins the ranges of two responses; here each is a file of its own"
_H2C = "HTTP/2 on port 3000 whose server speaks first, which tshark does not recognise"
_NFS = "files over NFS are not put together here"
_PREFACE = "tshark exports the HTTP/2 connection preface as an object"
_CONTINUATION = "tshark exports bytes in the middle of a stream as an object"
_HTTP09 = "a response without a head (HTTP/0.9), which nothing tells apart from the middle of another"
_SSH_PORT = "SSH on another port than 22, which tshark does not recognise"
_TYPE_NAME = "a fuzzed record type under another name in the facts"

EXCEPTIONS: dict[str, dict[str, dict[str, str]]] = {
    "dns-edns-ecs.pcap": {
        "packets per flow": {
            "1:etx70Tqlb6Ov07ddZqz/XMUvk3o=: 2, stated 1": _STOPPED,
        },
        "flows seen by tshark": {
            "missing 1:095hgSxfQaoO/qbPGnydCyBYsaE=": _LATER,
            "missing 1:V8tefZK4+5y4ChktCv53zwwkRZM=": _LATER,
            "missing 1:iSHWuxKTdOZMwy6RCIvp2kUnM6U=": _LATER,
            "missing 1:ya5SSbQndeeBTYeFkj3lqcpX+n4=": _LATER,
        },
        "transports": {
            "udp: 80, stated 76": _FRAGMENTS,
        },
    },
    "doh-http2-post.pcap": {
        "files of tshark": {
            "missing 57a82e9f3e1282c5356024e7979306f295ffcc22102914381aabb649b53ac6e0": _PREFACE,
        },
    },
    "dyndns-duckdns-dnsonly.pcap": {
        "transports": {
            "udp: 180, stated 181": _QUOTED,
        },
        "dns messages": {
            "responses: 19, stated 20": _QUOTED,
        },
    },
    "ftp-data-eve.pcap": {
        "packets per flow": {
            "1:1yp4G+WK9Nu0LoxqLQJA/pIIXro=: 0, stated 6": _AROUND,
        },
        "transports": {
            "udp: 295, stated 301": _OUTER,
        },
    },
    "fuzzed-2594.pcap": {
        "packets per flow": {
            "1:0ggMJg8ziJEnSxZjKfsAFxRnciM=: 25, stated 2": _STOPPED,
            "1:9aiLw4btJbIXEQT5PmICkBpgxoA=: 2, stated 1": _STOPPED,
            "1:MLfwhvgmM9zf0jeMDNpvbrDJxkA=: 74, stated 5": _STOPPED,
            "1:dOa61R2NaaJsJlcFAiMIiyXX+Kk=: 61, stated 2": _STOPPED,
        },
        "flows confirmed": {
            "extra 1:CyVGgbqrfPVE7+z9Ilf3wFSOA30=": _PROTOCOL_0,
            "extra 1:cl1V5F34HghLXWJeFRCRkPYCPA4=": _PROTOCOL_0,
            "extra 1:j9ltmZOv3DEyGHV+E4m7/YA7HRA=": _PROTOCOL_0,
        },
        "transports": {
            "tcp: 52, stated 51": _FRAGMENTS,
            "udp: 538, stated 521": _FRAGMENTS,
        },
        "dns": {
            "extra 32 _sip._udp.sip.cybercity.dk": _TYPE_NAME,
            "extra NAPTR _sip._udp.sip.cybercity.dk": _TYPE_NAME,
            "extra OPT _sip._udp.sip.cybercity.dk": _TYPE_NAME,
            "missing 35 _sip._udp.sip.cybercity.dk": _TYPE_NAME,
            "missing 41 _sip._udp.sip.cybercity.dk": _TYPE_NAME,
            "missing NB _sip._udp.sip.cybercity.dk": _TYPE_NAME,
        },
    },
    "http-206-ranges.pcap": {
        "files of suricata": {
            "missing 61c0718bd534ab55716eba161e91bb49155562ddc7c08f0c20f6359d7b808b66": _JOINED,
        },
    },
    "http-bro-org.pcap": {
        "http status codes": {
            "200: 25, stated 30": _GAP,
        },
        "files of tshark": {
            "missing 16984d596e153f5fdeaff1356485c4fd84e2a62ca32ada80832f15e75dd55d06": _GAP,
            "missing 1ead6d3de452339e382d116410d01fe394401cd8620e58f1fffe08c66768dc0b": _GAP,
            "missing 3190c138ce38ed1012f96f7f31b2e220f1b77fd8a525e697df935c4289079f16": _GAP,
            "missing 9ae1841360d53b345086e635184aaa5b5799c2187d96e30b57ec911d0481f130": _GAP,
            "missing ca208e52ce9516692c2d2d2432bed38a87406e084450229e545ed22ed30e1b31": _GAP,
        },
        "files of suricata": {
            "missing 16984d596e153f5fdeaff1356485c4fd84e2a62ca32ada80832f15e75dd55d06": _GAP,
            "missing 1ead6d3de452339e382d116410d01fe394401cd8620e58f1fffe08c66768dc0b": _GAP,
            "missing 3190c138ce38ed1012f96f7f31b2e220f1b77fd8a525e697df935c4289079f16": _GAP,
            "missing 9ae1841360d53b345086e635184aaa5b5799c2187d96e30b57ec911d0481f130": _GAP,
            "missing ca208e52ce9516692c2d2d2432bed38a87406e084450229e545ed22ed30e1b31": _GAP,
        },
    },
    "http-browsing-4k6.pcap": {
        "http status codes": {
            "200: 336, stated 334": _ORDER,
        },
    },
    "http2-h2c-keywords.pcap": {
        "files of suricata": {
            "missing 32037dee4499126b99715750145392c8b00a7db213b2052e7032afb10fadd5da": _H2C,
            "missing 3a5d4df57341710887239061244728774353c0e83c49232fd01ee6812137d245": _H2C,
            "missing 75d346b59d14879b60a4f6c5151af5dc02cf5645c72dbe74e1c49928ea3e71f4": _H2C,
            "missing a34621f5bdfa5c3b909b7b301648f51555fd2319066b21358811aac31578d4f1": _H2C,
            "missing b985b74d8a9058db62b962c91a3c6f1da1d86bacaa0eb5a2142fc73beb537b63": _H2C,
            "missing c4e85e6df5eea72a55264e51bdadddd541f6483897ea9e40335f03a669fd6256": _H2C,
        },
    },
    "ip-frag-3000.pcap": {
        "packets per flow": {
            "1:AHOCzGXwfBeXLK9RbvrsWKxsGuM=: 2669, stated 4": _STOPPED,
        },
        "transports": {
            "udp: 2690, stated 1021": _FRAGMENTS,
        },
        "files of suricata": {
            "missing 11fd78a8ab57508d58f9c3499102383b2e109cb813325444909f69b43b6eb94c": _NFS,
            "missing 6ac69ed42239903520e7de5fd69d62104059b316305334ece0e30afd9c1392d2": _NFS,
            "missing 7a9b4f50ed7275b65eb089f00938b5184964aee480f05bcc438a8269df5ed427": _NFS,
            "missing e3e4283081f967add1d5ed7f4aa71672e0e003f187562b307a745c90c99aeaca": _NFS,
        },
    },
    "ipv6-flood-exthdr-39838.pcap": {
        "transports": {
            "icmpv6: 39837, stated 25": _FRAGMENTS,
            "udp: 1, stated 2": _QUOTED,
        },
    },
    "ipv6-malformed-frag15.pcap": {
        "packets per flow": {
            "1:mIwpOOn6wCvAnEMXyW5m+OA3J+0=: 58, stated 3": _STOPPED,
        },
        "transports": {
            "icmpv6: 64, stated 11": _FRAGMENTS,
        },
    },
    "many-protocols.pcap": {
        "http status codes": {
            "200: 129, stated 128": _ORDER,
            "302: 7, stated 6": _ORDER,
        },
        "files of tshark": {
            "missing b87dd9b2925328a382a3a6e7d2defa84a502c52998bc9c7317cdafd9f4a2743b": _PIECE,
            "missing bd9e93e0c2de0c4175a19ae4ede704ca32ef1761daa70c39731d6d1b4677601f": _PIECE,
        },
    },
    "sflow-1140.pcap": {
        "flows seen by tshark": {
            "missing 1:fpSQ0SUAO6DDYoGDh+YIpD5UHNs=": _SAMPLED,
        },
        "transports": {
            "tcp: 0, stated 1": _SAMPLED,
        },
    },
    "sflow.pcap": {
        "flows seen by tshark": {
            "missing 1:AlEJk90X6PkZSQFchE+Z4nLwUnc=": _SAMPLED,
        },
        "transports": {
            "icmp: 0, stated 1": _SAMPLED,
        },
    },
    "ssh-basic-long.pcap": {
        "ssh": {
            "OpenSSH_6.2 paramiko_1.15.2: 0, stated 1": _SSH_PORT,
            "OpenSSH_6.6 OpenSSH_5.9p1: 0, stated 1": _SSH_PORT,
        },
    },
    "tls-subjectaltname.pcap": {
        "ja3s": {
            "15381d64ba148f31a70eb87b53085230: 8, stated 7": _ORDER,
        },
        "http status codes": {
            "200: 29, stated 26": _ORDER,
            "404: 3, stated 2": _ORDER,
        },
        "files of tshark": {
            "missing 02eb7db479d6cbd37ef42f5879540a489024713b9949fef2a7075de4e0d578a0": _PIECE,
            "missing 27fcc807a2635661a7a1c7ed7231d6eeaf166202d6808203de90830479fb5f29": _PIECE,
            "missing 8f8a599585111adb075e72c9f419aaa9a04658c8d008df6abb92ced480d88f3f": _PIECE,
            "missing b0f5b840edfefd80b814c2276da8ff05401e26c933049dcc12b323a6d3b566bb": _PIECE,
            "missing e5cc85097d575b762cb2d2fe35e48e6a2bd62e4183440a0b6a58fb2bd73605df": _PIECE,
        },
    },
    "tunnels-mix.pcap": {
        "packets per flow": {
            "1:Za0SsPHdvej0Xcvj/BKARGqRgNc=: 2, stated 1": _STOPPED,
        },
        "flows confirmed": {
            "extra 1:v1Cm2A62930hWaStJa5RvbddEEs=": _BUBBLE,
            "extra 1:uvHJsQIQNOHFbsrA98hcBgy/dBY=": _BUBBLE,
            "extra 1:ouS7jA9DIk4esc/TNz3Sg8j8nS0=": _BUBBLE,
            "extra 1:LiQ32sbcbJrTHvf5MIv819NSfHg=": _BUBBLE,
            "extra 1:Avv5r4IwCoFnHDi0IUkGgJ/2k+s=": _BUBBLE,
            "extra 1:9OzrlKJe/fvWd0L4Q1gF5D5lowY=": _BUBBLE,
            "extra 1:4MVNEZSoIcD9G6SI1qc087+tr/s=": _BUBBLE,
            "extra 1:+LEo+C7p7ol6J8Nz53vxys2m6iQ=": _BUBBLE,
            "extra 1:/944l68K875tHciaA+nx9oKhz3g=": _OUTSIDE,
            "extra 1:/NmC6NQnoKWCFzE3TTNooISkBVI=": _OUTSIDE,
            "extra 1:mgVAUgbsL0DSlDkvrbbAs3NAsss=": _OUTSIDE,
        },
        "flows seen by tshark": {
            "missing 1:/S4WA90Rs2ilqKqrBHNrAzNP45k=": _INSIDE.format("AYIYA"),
            "missing 1:/YNR8vfXVEsHBkuHvzxnVbwgLzQ=": _INSIDE.format("AYIYA"),
            "missing 1:4ChOAn3ZAIRNeVLN+R5SPtIzPAk=": _BUBBLE,
            "missing 1:AD0BZeVMjT+/6KieBy4Ac5z8ihg=": _LATER,
            "missing 1:DmleKQutSS48U7wJiyT9nqkV4yw=": _INSIDE.format("GTP'"),
            "missing 1:EgPWdo+ZC7cxuYJw4gcbfrFtsiQ=": _BUBBLE,
            "missing 1:Ij9wUzC/launEAP+zUM86kwR5ZA=": _BUBBLE,
            "missing 1:S2XIaj8NsJB/oLK7g30nZYcgu1A=": _INSIDE.format("AYIYA"),
            "missing 1:UHMkOU5VclwfvR5K2bMfuIkigyM=": _BUBBLE,
            "missing 1:YpK5AKlIpsoSf+ubREcD70iMhCw=": _BUBBLE,
            "missing 1:Z73uWupF7mJwH3DzIfY0SOQ6Cy4=": _INSIDE.format("AYIYA"),
            "missing 1:ZI1A2JQem+0od8PvHN6yo3zDtM0=": _BUBBLE,
            "missing 1:keKl60plds8IJ+wa5SwyjLtjyWM=": _BUBBLE,
            "missing 1:lHEhtgD1ZxFL8bU6JIBQv6hNfd0=": _BUBBLE,
            "missing 1:m2VW+5cyGME5o3UzdCoW7Yjn6Yk=": _LATER,
            "missing 1:nzwH4tVTQmpXEsXNqeQfW8LKIeE=": _INSIDE.format("AYIYA"),
            "missing 1:pib7voZKDQYJrRrymaPtqh7Akqs=": _LATER,
            "missing 1:qw8/+Ixj0FjicooTtji0DDxBkqE=": _INSIDE.format("AYIYA"),
            "missing 1:uuNL7ydGcGVX+aJJPF5TLp5wQ5E=": _QUOTED,
            "missing 1:xAHBv/5kkhv9GOFXP7Sj/ReSYYI=": _LATER,
        },
        "transports": {
            "udp: 185, stated 403": _OUTER,
            "tcp: 410, stated 343": _OUTER,
            "icmpv6: 68, stated 79": _OUTER,
            "icmp: 950, stated 954": _OUTER,
        },
        "dns messages": {
            "queries: 20, stated 22": _QUOTED,
        },
        "files of tshark": {
            "missing d432e0aa6b0eb21c716f04c61aec4d4c30c25c068f4b2ed24dc46d2fef3d2d8c": _CONTINUATION,
            "missing eae3b78c720c5c6ce6dc1ce43ae523673c248b3ac098bb35e79b7dddf9ac764b": _CONTINUATION,
        },
    },
    "vlan-mpls-mixed.pcap": {
        "files of tshark": {
            "missing 551d481dcab5c9c5a54fd0862be8359f8b46ffc550030863aec214f83483b543": _CONTINUATION,
            "missing 63a362dfcbc4acce7cedebe942901f83eea524eb7792117f02c0242cb6fdd8f9": _CONTINUATION,
            "missing dfdf3bb2aa9f4e323d1fb1382e069f707a45bbb42bae8998ec8bbd6edb294b82": _CONTINUATION,
        },
        "files of suricata": {
            "missing 6dba786ee9cafbeceed20d97b5cb9741b823180744d2e5a8c657d3ef5f8e52cc": _HTTP09,
        },
    },
}
