package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/skerry-edge/skerry/sensors"
)

// The client's limits and time-outs.
const (
	dialTimeout    = 5 * time.Second
	askTimeout     = 30 * time.Second // for an answer that is neither a stream nor a verification
	maxAnswerBytes = 32 << 20
	maxLineBytes   = 1 << 20
	maxSeriesKept  = 100_000 // by one stream; then it starts to remember anew
)

// Client is the backend of an agent that runs elsewhere, over its socket. Safe for concurrent use.
type Client struct {
	socket string
	http   *http.Client
}

var _ Backend = (*Client)(nil)

// Dial returns a client of the agent at the unix socket. Nothing is connected yet: an agent that does not answer shows
// as ErrUnreachable at the first question.
func Dial(socket string) *Client {
	dialer := net.Dialer{Timeout: dialTimeout}
	return &Client{socket: socket, http: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", socket)
		},
		MaxIdleConns:           2,
		IdleConnTimeout:        idleTimeout / 2, // before the server's
		MaxResponseHeaderBytes: maxHeaderBytes,
		DisableCompression:     true,
	}}}
}

// Close closes the idle connections. Streams go on until their end.
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	return nil
}

// ID says who the gateway is.
func (c *Client) ID(ctx context.Context) (ID, error) { return ask[ID](ctx, c, "/v1/id") }

// Status says how the gateway is.
func (c *Client) Status(ctx context.Context) (Status, error) {
	return ask[Status](ctx, c, "/v1/status")
}

// Collections lists the collections.
func (c *Client) Collections(ctx context.Context) ([]Collection, error) {
	return ask[[]Collection](ctx, c, "/v1/collections")
}

// Query streams rows.
func (c *Client) Query(ctx context.Context, q Query) (Rows, error) {
	params := q.values()
	params.Set("types", "true")
	return c.stream(ctx, "/v1/query", params)
}

// Tail streams rows as they become durable, from before it returns. What their types say is ParseRow's guess; their text is
// exact.
func (c *Client) Tail(ctx context.Context, q Query) (Rows, error) {
	return c.stream(ctx, "/v1/tail", Query{Collection: q.Collection, Series: q.Series, Tags: q.Tags, Author: q.Author}.values())
}

func ask[T any](ctx context.Context, c *Client, path string) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return askLong[T](ctx, c, path)
}

func askLong[T any](ctx context.Context, c *Client, path string) (T, error) {
	var v T
	response, err := c.open(ctx, path, nil)
	if err != nil {
		return v, err
	}
	defer response.Body.Close()
	body, err := readAll(response.Body, maxAnswerBytes)
	if err != nil {
		return v, fmt.Errorf("read answer: %w", err)
	}
	if err := json.Unmarshal(body, &v); err != nil {
		return v, fmt.Errorf("read answer: %w", err)
	}
	return v, nil
}

// open asks and returns an answer that is 200; the caller closes its body.
func (c *Client) open(ctx context.Context, path string, params url.Values) (*http.Response, error) {
	target := url.URL{Scheme: "http", Host: "skerry", Path: path, RawQuery: params.Encode()}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("ask agent: %w", err)
	}
	response, err := c.http.Do(request)
	if err != nil {
		if errors.Is(ctx.Err(), context.Canceled) {
			return nil, fmt.Errorf("ask agent: %w", context.Cause(ctx))
		}
		if wrapped, ok := errors.AsType[*url.Error](err); ok {
			err = wrapped.Err
		}
		if dial, ok := errors.AsType[*net.OpError](err); ok && dial.Op == "dial" {
			err = dial.Err
		}
		return nil, &UnreachableError{Socket: c.socket, Err: err}
	}
	if response.StatusCode == http.StatusOK {
		return response, nil
	}
	defer response.Body.Close()
	body, err := readAll(response.Body, maxLineBytes)
	if err != nil {
		return nil, fmt.Errorf("ask agent: %w", err)
	}
	var p problem
	if err := json.Unmarshal(body, &p); err != nil || p.Error == "" {
		return nil, fmt.Errorf("ask agent: it answered %s", response.Status)
	}
	return nil, p.err()
}

func readAll(r io.Reader, limit int64) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(body)) > limit {
		err = fmt.Errorf("more than %d bytes", limit)
	}
	return body, err //nolint:wrapcheck // the caller says what it read
}

// stream asks for rows.
func (c *Client) stream(ctx context.Context, path string, params url.Values) (Rows, error) {
	precision, seq, err := streamOf(ctx, c, path, params, sensors.ParseRow)
	return Rows{Precision: precision, Seq: seq}, err
}

// streamOf asks for a stream of what parse makes of its lines.
func streamOf[V any](ctx context.Context, c *Client, path string, params url.Values, parse func([]byte, *sensors.Table) (V, error)) (sensors.Precision, iter.Seq2[V, error], error) {
	response, err := c.open(ctx, path, params) //nolint:bodyclose // whoever ranges over Seq closes it
	if err != nil {
		return 0, nil, err
	}
	digits, err := strconv.ParseUint(response.Header.Get(PrecisionHeader), 10, 8)
	if err != nil {
		return 0, nil, errors.Join(fmt.Errorf("ask agent: header %s: %w", PrecisionHeader, err), response.Body.Close())
	}
	return sensors.Precision(digits), func(yield func(V, error) bool) {
		defer response.Body.Close()
		readLines(ctx, response.Body, parse, yield)
	}, nil
}

// readLines yields what parse makes of the lines of a stream, and how it ended unless well.
func readLines[V any](ctx context.Context, body io.Reader, parse func([]byte, *sensors.Table) (V, error), yield func(V, error) bool) {
	var none V
	lines := bufio.NewScanner(body)
	lines.Buffer(make([]byte, 0, 64<<10), maxLineBytes)
	lines.Split(wholeLines)
	table := sensors.NewTable()
	for lines.Scan() {
		line := lines.Bytes()
		if bytes.HasPrefix(line, []byte(`{"error":`)) {
			var p problem
			err := json.Unmarshal(line, &p)
			if err == nil {
				err = p.err()
			}
			yield(none, err)
			return
		}
		if table.Len() > maxSeriesKept {
			table = sensors.NewTable()
		}
		v, err := parse(line, table)
		if err != nil {
			yield(none, fmt.Errorf("read stream: %w", err))
			return
		}
		if !yield(v, nil) {
			return
		}
	}
	switch err := lines.Err(); {
	case ctx.Err() != nil:
		yield(none, fmt.Errorf("read stream: %w", ctx.Err()))
	case errors.Is(err, io.ErrUnexpectedEOF):
		yield(none, ErrBrokenOff)
	case err != nil:
		yield(none, fmt.Errorf("%w: %w", ErrBrokenOff, err))
	}
}

// wholeLines splits into lines; one without an end was cut off.
func wholeLines(data []byte, atEOF bool) (advance int, token []byte, err error) {
	if end := bytes.IndexByte(data, '\n'); end >= 0 {
		return end + 1, data[:end], nil
	}
	if atEOF && len(data) > 0 {
		return 0, nil, io.ErrUnexpectedEOF
	}
	return 0, nil, nil
}
