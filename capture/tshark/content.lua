-- Prints what field output cannot carry, as one JSON line ahead of the frame's own line: the exact bytes of
-- HTTP heads and bodies (dechunked, decompressed), mails, FTP data, TFTP and SMB2 messages, SMB file data, in hex; the
-- windows of event time as frames enter them; and who stopped sending on an FTP data connection. A tap and not a
-- postdissector: its filter runs in C, so frames without content cost nothing here. Where nobody listens any
-- more, tshark ends.

local HEAD_LIMIT = 65536
local CONTENT_LIMIT = 64 * 1024 * 1024
local WINDOW_SECONDS = 60

local http = Field.new("http")
local file_data = Field.new("http.file_data")
local mail = Field.new("imf")
local segment = Field.new("ftp-data")
local tftp = Field.new("tftp")
local udp = Field.new("udp")
local udp_length = Field.new("udp.length")
local smb = Field.new("smb")
local smb_data = Field.new("smb.file_data")
local smb_offset = Field.new("smb.data_offset")
local smb_length_high = Field.new("smb.data_len_high")
local smb2 = Field.new("smb2")
local http2 = Field.new("http2.data.data")
local stream = Field.new("tcp.stream")
local sequence = Field.new("tcp.seq")
local length = Field.new("tcp.len")

local function hex(range)
  return range:bytes():tohex(true)
end

-- ["<hex>",size]; over the limit the size alone tells.
local function content(field)
  if field.len == 0 then
    return '["",0]'
  end
  local range = field.range
  local size = range:len()
  if size > CONTENT_LIMIT then
    return '["",' .. size .. ']'
  end
  return '["' .. hex(range) .. '",' .. size .. ']'
end

-- ["<hex of the head>",bytes between it and the next message or the end of the packet]
local function head(field, following)
  if field.len == 0 then
    return '["",0]'
  end
  local range = field.range
  local size = range:len()
  local raw = range:raw(0, math.min(size, HEAD_LIMIT))
  -- A blank line ends the head, but for those before it.
  local _, last = raw:find("\n\r?\n", raw:find("[^\r\n]") or 1)
  last = last or #raw
  local limit = field.source:len()
  if following and following.offset > field.offset and following.source:len() == limit then
    limit = following.offset
  end
  return '["' .. hex(range(0, last)) .. '",' .. (limit - field.offset - last) .. ']'
end

local function list(fields, encode)
  local encoded = {}
  for index, field in ipairs(fields) do
    encoded[index] = encode(field, fields[index + 1])
  end
  return "[" .. table.concat(encoded, ",") .. "]"
end

local function last(field)
  local found = { field() }
  return #found > 0 and found[#found].value or 0
end

-- The whole payload of the innermost datagram: the message's own field ends where its data begins.
local function datagram(field)
  local headers = { udp() }
  local header, size = headers[#headers], last(udp_length) - 8
  if not header or size <= 0 or header.offset + 8 + size > header.source:len() then
    return content(field)
  end
  return '["' .. hex(header.source(header.offset + 8, size)) .. '",' .. size .. ']'
end

-- tshark takes the length of a read or write of 64 KiB from a count that has 16 bits, and so finds no data.
local function smb_content(field)
  local messages, offsets, highs = { smb() }, { smb_offset() }, { smb_length_high() }
  if field.len > 0 or #messages ~= 1 or #offsets ~= 1 or #highs ~= 1 then
    return content(field)
  end
  local start, size = messages[1].offset + offsets[1].value, highs[1].value * 65536
  local source = messages[1].source
  if size == 0 or start + size > source:len() then
    return content(field)
  end
  return '["' .. hex(source(start, size)) .. '",' .. size .. ']'
end

local carriers = Listener.new("frame", "http || http2.data.data || imf || ftp-data || tftp || smb.file_data || smb2.cmd in {5, 6, 8, 9}")
local data_streams = {}

function carriers.packet(pinfo)
  local segments = { segment() }
  if #segments > 0 then
    data_streams[last(stream)] = true
  end
  io.write(
    '{"tapline":"content","frame":', pinfo.number,
    ',"http":', list({ http() }, head),
    ',"body":', list({ file_data() }, content),
    ',"mail":', list({ mail() }, content),
    ',"segment":', list(segments, content),
    ',"tftp":', list({ tftp() }, datagram),
    ',"http2":', list({ http2() }, content),
    ',"smb":', list({ smb_data() }, smb_content),
    ',"smb2":', list({ smb2() }, content),
    "}\n"
  )
end

local ends = Listener.new("frame", "tcp.flags.fin == 1 || tcp.flags.reset == 1")

function ends.packet(pinfo)
  local number = last(stream)
  if data_streams[number] then
    io.write(string.format(
      '{"tapline":"end","stream":%d,"port":%d,"sent":%d}\n',
      number, pinfo.src_port, last(sequence) + last(length) - 1
    ))
  end
end

local frames = Listener.new("frame")
local window = -1

function frames.packet(pinfo)
  local start = math.floor(pinfo.abs_ts / WINDOW_SECONDS) * WINDOW_SECONDS
  if start > window then
    window = start
    io.write(string.format('{"tapline":"window","window":%d}\n', start))
    if not io.flush() then
      os.exit(1)
    end
  end
end
