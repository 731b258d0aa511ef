// The program knative_dispatcher delivers events as Knative Eventing does, because it is
// Knative Eventing: the delivery client of its brokers and channels behind two pipes.
//
//	stdin: one delivery a line ──▶ kncloudevents.Dispatcher ──▶ destination, reply, dead letter
//	stdout: one outcome a line ◀──┘
//
// Deliveries run concurrently, so outcomes come in the order in which they are known; the
// number in "delivery" says which is which. The program ends when stdin does, after the last
// outcome.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"

	"github.com/cloudevents/sdk-go/v2/event"
	eventingduck "knative.dev/eventing/pkg/apis/duck/v1"
	"knative.dev/eventing/pkg/eventingtls"
	"knative.dev/eventing/pkg/kncloudevents"
	"knative.dev/pkg/apis"
	duckv1 "knative.dev/pkg/apis/duck/v1"
)

// delivery is one event and where it goes. Spec has the words of a Trigger's own
// spec.delivery (retry, backoffPolicy, backoffDelay, timeout, retryAfterMax, format); without
// it nothing is retried.
type delivery struct {
	Number      int                        `json:"delivery"`
	Event       *event.Event               `json:"event"`
	Destination string                     `json:"destination"`
	Reply       string                     `json:"reply,omitempty"`
	DeadLetter  string                     `json:"dead_letter,omitempty"`
	Headers     map[string]string          `json:"headers,omitempty"`
	Spec        *eventingduck.DeliverySpec `json:"spec,omitempty"`
}

// outcome is what the dispatcher says of the last request it made for a delivery: to the dead
// letter sink if it came to that, else to the reply address if there was a reply, else to the
// destination. Code is -1 where there was no request. Panic is set where a broker would have
// died.
type outcome struct {
	Number  int         `json:"delivery"`
	Code    int         `json:"code"`
	Seconds float64     `json:"seconds"`
	Headers http.Header `json:"headers,omitempty"`
	Body    []byte      `json:"body,omitempty"`
	Error   string      `json:"error,omitempty"`
	Panic   string      `json:"panic,omitempty"`
}

func main() {
	// A package of Knative's prints what it cannot parse; stdout is for outcomes alone.
	outcomes := json.NewEncoder(os.Stdout)
	os.Stdout = os.Stderr
	// The dispatcher asks for its namespace before it enriches a dead letter, and panics
	// without one.
	if err := os.Setenv("SYSTEM_NAMESPACE", "knative-eventing"); err != nil {
		fatal(err)
	}

	dispatcher := kncloudevents.NewDispatcher(eventingtls.ClientConfig{}, nil)
	deliveries := json.NewDecoder(os.Stdin)
	var running sync.WaitGroup
	var writing sync.Mutex
	for {
		var d delivery
		if err := deliveries.Decode(&d); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			fatal(fmt.Errorf("no delivery on stdin: %w", err))
		}
		running.Add(1)
		go func() {
			defer running.Done()
			o := deliver(dispatcher, d)
			writing.Lock()
			defer writing.Unlock()
			if err := outcomes.Encode(o); err != nil {
				fatal(err)
			}
		}()
	}
	running.Wait()
}

// deliver hands one event to the dispatcher and tells what came of it.
func deliver(dispatcher *kncloudevents.Dispatcher, d delivery) (o outcome) {
	o = outcome{Number: d.Number, Code: kncloudevents.NoResponse}
	defer func() {
		if cause := recover(); cause != nil {
			o.Panic = fmt.Sprint(cause)
		}
	}()

	destination, options, err := d.read()
	if err != nil {
		o.Error = err.Error()
		return o
	}
	info, err := dispatcher.SendEvent(context.Background(), *d.Event, *destination, options...)
	if err != nil {
		o.Error = err.Error()
	}
	if info != nil {
		o.Code, o.Headers, o.Body = info.ResponseCode, info.ResponseHeader, info.ResponseBody
		o.Seconds = info.Duration.Seconds()
	}
	return o
}

// read turns what was asked for into what the dispatcher takes.
func (d delivery) read() (*duckv1.Addressable, []kncloudevents.SendOption, error) {
	if d.Event == nil {
		return nil, nil, errors.New("a delivery needs an event")
	}
	destination, err := addressable(d.Destination)
	if err != nil {
		return nil, nil, err
	}
	header := http.Header{}
	for name, value := range d.Headers {
		header.Set(name, value)
	}
	options := []kncloudevents.SendOption{kncloudevents.WithHeader(header)}
	if d.Reply != "" {
		reply, err := addressable(d.Reply)
		if err != nil {
			return nil, nil, err
		}
		options = append(options, kncloudevents.WithReply(reply))
	}
	if d.DeadLetter != "" {
		deadLetter, err := addressable(d.DeadLetter)
		if err != nil {
			return nil, nil, err
		}
		options = append(options, kncloudevents.WithDeadLetterSink(deadLetter))
	}
	if d.Spec != nil {
		retries, err := kncloudevents.RetryConfigFromDeliverySpec(*d.Spec)
		if err != nil {
			return nil, nil, err
		}
		options = append(options,
			kncloudevents.WithRetryConfig(&retries), kncloudevents.WithEventFormat(d.Spec.Format))
	}
	return destination, options, nil
}

func addressable(text string) (*duckv1.Addressable, error) {
	url, err := apis.ParseURL(text)
	if err != nil {
		return nil, fmt.Errorf("%q is no URL: %w", text, err)
	}
	return &duckv1.Addressable{URL: url}, nil
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, "knative_dispatcher:", err)
	os.Exit(1)
}
