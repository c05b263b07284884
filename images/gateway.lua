-- What the gateway lets through and what it counts. Limits, prices and paths stand in limits.lua, made by the runner.
-- Tokens are read from the API's own answers; where an answer has no count they are estimated from its length, so an
-- agent cannot spend uncounted by asking in a way that leaves the count out.

local limits = require "limits"
local spent = ngx.shared.spent
local gateway = {}

-- Keys of the usage objects of the APIs of Anthropic, OpenAI, Mistral and Google. An escaped quote before or
-- after a key marks text that a model wrote, so a quoted key followed by a colon and a number is the API's.
local READ = { "input_tokens", "prompt_tokens", "promptTokenCount" }
local CACHED = { "cache_read_input_tokens", "cache_creation_input_tokens" } -- not part of input_tokens
local REREAD = { "cache_read_input_tokens", "cached_tokens", "cachedContentTokenCount" } -- of all that was read
local WRITTEN = { "output_tokens", "completion_tokens" }
local PARTS = { "candidatesTokenCount", "thoughtsTokenCount" }
local OVERLAP = 96 -- bytes of a chunk that are read again with the next: a key may be cut in two
local MOST = 1e8 -- tokens of one answer; a larger number is no count
local BYTES_A_TOKEN = 4
local ALIVE_SECONDS = 5

local function total(key)
  return spent:get(key) or 0
end

local function refuse(status, why)
  ngx.var.refused = why
  ngx.status = status
  ngx.header.content_type = "application/json"
  ngx.say('{"type":"error","error":{"type":"gateway","code":"gateway","message":"' .. why .. '"}}')
  return ngx.exit(status)
end

function gateway.cost()
  local cached = total("cached")
  local read = (total("read") - cached) * limits.price_in + cached * limits.price_cached
  return (read + total("written") * limits.price_out) / 1e6
end

local function exhausted()
  if limits.requests > 0 and total("requests") > limits.requests then
    return "the limit of " .. limits.requests .. " requests is reached"
  end
  if limits.tokens > 0 and total("read") + total("written") >= limits.tokens then
    return "the limit of " .. limits.tokens .. " tokens is reached"
  end
  if limits.cost > 0 and gateway.cost() >= limits.cost then
    return "the limit of " .. limits.cost .. " USD is reached"
  end
end

-- The path as it was sent, for that is what is passed on: only the API's own, written plainly.
local function known_path()
  local path = ngx.var.request_uri:match("^[^?]*")
  if path:find("%.%.") or path:find("%%") and path:lower():find("%%[25][0-9a-f]") or path:find("\\", 1, true) then
    return false
  end
  local prefix = limits.prefix:match("^(.-)/?$")
  if path:sub(1, #prefix + 1) ~= prefix .. "/" then
    return false
  end
  local rest = path:sub(#prefix + 1)
  for _, pattern in ipairs(limits.paths) do
    if rest:find(pattern) then
      return true
    end
  end
  return false
end

function gateway.admit()
  local host = ngx.var.http_host or ""
  if host ~= limits.host and host ~= limits.alias then
    return refuse(403, "only the model's own API can be reached here")
  end
  local method = ngx.req.get_method()
  if method ~= "POST" and method ~= "GET" then
    return refuse(405, "only GET and POST are passed on")
  end
  if not known_path() then
    return refuse(404, "only paths of the model's API are passed on")
  end
  if ngx.var.arg_key or ngx.var.arg_access_token or ngx.var.arg_api_key then
    return refuse(403, "a key in the address is not passed on")
  end
  spent:incr("requests", 1, 0)
  local why = exhausted()
  if why then
    return refuse(403, why) -- not 429: clients would try again
  end
  ngx.ctx.admitted = true
end

function gateway.headers()
  if ngx.status >= 300 and ngx.status < 400 and ngx.status ~= 304 then
    ngx.var.refused = "a redirect is not followed"
    ngx.status = 502
    ngx.header.location = nil
  end
  ngx.header.content_length = nil
end

-- The largest number behind each key: streams repeat their counts as they grow.
local function largest(text, keys, found)
  for _, key in ipairs(keys) do
    for number in text:gmatch('"' .. key .. '"%s*:%s*(%d+)') do
      found[key] = math.max(found[key] or 0, math.min(tonumber(number), MOST))
    end
  end
end

local function sum(found, keys)
  local all = 0
  for _, key in ipairs(keys) do
    all = all + (found[key] or 0)
  end
  return all
end

local function most(found, keys)
  local best = 0
  for _, key in ipairs(keys) do
    best = math.max(best, found[key] or 0)
  end
  return best
end

-- Says that an answer is still coming, for a long one would look like silence.
local function alive()
  local now = ngx.now()
  if now - total("told") > ALIVE_SECONDS then
    spent:set("told", now)
    io.stdout:write("alive\n")
    io.stdout:flush()
  end
end

function gateway.count()
  local context = ngx.ctx
  if not context.admitted then
    return
  end
  local chunk = ngx.arg[1] or ""
  local found = context.found or {}
  local text = (context.rest or "") .. chunk
  for _, keys in ipairs({ READ, CACHED, REREAD, WRITTEN, PARTS }) do
    largest(text, keys, found)
  end
  context.found, context.rest = found, text:sub(-OVERLAP)
  context.bytes = (context.bytes or 0) + #chunk
  context.whole = ngx.arg[2]
  alive()
end

-- What one answer took. Asked for when all is over, also where a client has gone away before it (499) or in the
-- middle of it: then the last count, which stands at an answer's end, was not seen, and its length counts too.
local function took(context)
  local found = context.found or {}
  local read = most(found, READ) + sum(found, CACHED)
  local written = math.max(most(found, WRITTEN), sum(found, PARTS))
  local answered = ngx.status >= 200 and ngx.status < 300
  local billed = ngx.req.get_method() == "POST" and (answered or ngx.status == 499)
  if ngx.var.uri:lower():find("count_?tokens") then
    return 0, 0, 0
  end
  if billed and read == 0 then
    read = math.ceil((tonumber(ngx.var.request_length) or 0) / BYTES_A_TOKEN)
  end
  if billed and (written == 0 or not context.whole) then
    written = math.max(written, math.ceil((context.bytes or 0) / BYTES_A_TOKEN))
  end
  return read, written, math.min(most(found, REREAD), read)
end

-- Totals are told with each request, so that a line which is lost loses nothing.
function gateway.finish()
  local context = ngx.ctx
  if context.admitted then
    local read, written, cached = took(context)
    spent:incr("read", read, 0)
    spent:incr("written", written, 0)
    spent:incr("cached", cached, 0)
  end
  ngx.var.all_requests = string.format("%d", total("requests"))
  ngx.var.all_in = string.format("%d", total("read"))
  ngx.var.all_out = string.format("%d", total("written"))
  ngx.var.all_cached = string.format("%d", total("cached"))
end

return gateway
