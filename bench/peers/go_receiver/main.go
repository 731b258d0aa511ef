// The program go_receiver is the bridge's work done with the Go CloudEvents SDK, the way its
// documentation shows: a receiver whose function calls a model over pooled connections and
// returns the response event.
//
//	go_receiver MODEL_URL ──▶ prints its own address, serves until it is stopped
package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"

	cloudevents "github.com/cloudevents/sdk-go/v2"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	"github.com/google/uuid"
)

const (
	requestType    = "seldon.simple-iris-deployment.request"
	responseType   = "seldon.simple-iris-deployment.response"
	responseSource = "seldon.simple-iris-deployment"
)

// bridge asks one model.
type bridge struct {
	model  string
	client *http.Client
}

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: go_receiver MODEL_URL")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	client, err := cloudevents.NewClientHTTP(cehttp.WithListener(listener))
	if err != nil {
		log.Fatal(err)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConns = 256
	transport.MaxIdleConnsPerHost = 256 // the default of 2 would open a connection a call
	b := &bridge{
		model:  strings.TrimSuffix(os.Args[1], "/") + "/api/v1.0/predictions",
		client: &http.Client{Transport: transport},
	}

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	fmt.Printf("http://%s\n", listener.Addr())
	if err := client.StartReceiver(ctx, b.respond); err != nil {
		log.Fatal(err)
	}
}

// respond answers a request event with what the model says of its data.
func (b *bridge) respond(ctx context.Context, request cloudevents.Event) (*cloudevents.Event, cloudevents.Result) {
	if request.Type() != requestType {
		return nil, cloudevents.ResultACK
	}
	answer, err := b.predict(ctx, request.Data())
	if err != nil {
		return nil, cloudevents.NewHTTPResult(http.StatusServiceUnavailable, "%w", err)
	}
	response := cloudevents.NewEvent(request.SpecVersion())
	response.SetID(uuid.NewString())
	response.SetType(responseType)
	response.SetSource(responseSource)
	if requestID, ok := request.Extensions()["requestid"]; ok {
		response.SetExtension("requestid", requestID)
	}
	if err := response.SetData(cloudevents.ApplicationJSON, answer); err != nil {
		return nil, cloudevents.NewHTTPResult(http.StatusInternalServerError, "%w", err)
	}
	return &response, cloudevents.ResultACK
}

// predict posts a payload to the model and returns its answer.
func (b *bridge) predict(ctx context.Context, payload []byte) ([]byte, error) {
	call, err := http.NewRequestWithContext(ctx, http.MethodPost, b.model, bytes.NewReader(payload))
	if err != nil {
		return nil, err
	}
	call.Header.Set("Content-Type", cloudevents.ApplicationJSON)
	answer, err := b.client.Do(call)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the model answered %d", answer.StatusCode)
	}
	return body, nil
}
