-- What the gateway lets through and what it counts. Limits and prices stand in limits.lua, made by the runner.
-- Tokens are read from the API's own answers, so an agent's word about its spending is never needed.

local limits = require "limits"
local spent = ngx.shared.spent
local gateway = {}

-- Keys of the usage objects of the APIs of Anthropic, OpenAI, Mistral and Google. An escaped quote before or
-- after a key marks text that a model wrote, so a quoted key followed by a colon and a number is the API's.
local READ = { "input_tokens", "prompt_tokens", "promptTokenCount" }
local CACHED = { "cache_read_input_tokens", "cache_creation_input_tokens" } -- not part of input_tokens
local WRITTEN = { "output_tokens", "completion_tokens", "candidatesTokenCount", "thoughtsTokenCount" }
local OVERLAP = 96 -- bytes of a chunk that are read again with the next: a key may be cut in two

local function refuse(status, why)
  ngx.var.refused = why
  ngx.status = status
  ngx.header.content_type = "application/json"
  ngx.say('{"type":"error","error":{"type":"gateway","code":"gateway","message":"' .. why .. '"}}')
  return ngx.exit(status)
end

local function total(key)
  return spent:get(key) or 0
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

function gateway.cost()
  return (total("read") * limits.price_in + total("written") * limits.price_out) / 1e6
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
  if ngx.var.uri:sub(1, #limits.prefix) ~= limits.prefix then
    return refuse(404, "only paths of the model's API are passed on")
  end
  spent:incr("requests", 1, 0)
  local why = exhausted()
  if why then
    return refuse(403, why) -- not 429: clients would try again
  end
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
      found[key] = math.max(found[key] or 0, tonumber(number))
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

function gateway.count()
  local context = ngx.ctx
  local found = context.found or {}
  local text = (context.rest or "") .. (ngx.arg[1] or "")
  largest(text, READ, found)
  largest(text, CACHED, found)
  largest(text, WRITTEN, found)
  context.found, context.rest = found, text:sub(-OVERLAP)
  if ngx.arg[2] and not context.counted then
    context.counted = true
    gateway.settle(found)
  end
end

-- Also called when a client has gone away in the middle of an answer: what the API counted so far is spent.
function gateway.settle(found)
  local read = most(found, READ) + sum(found, CACHED)
  local written = math.max(most(found, { "output_tokens", "completion_tokens" }),
    sum(found, { "candidatesTokenCount", "thoughtsTokenCount" }))
  ngx.var.tokens_in, ngx.var.tokens_out = read, written
  spent:incr("read", read, 0)
  spent:incr("written", written, 0)
end

function gateway.finish()
  local context = ngx.ctx
  if context.found and not context.counted then
    context.counted = true
    gateway.settle(context.found)
  end
end

return gateway
