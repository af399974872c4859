package dev.dirtymap.http;

import io.restassured.filter.Filter;
import io.restassured.filter.FilterContext;
import io.restassured.response.Response;
import io.restassured.specification.FilterableRequestSpecification;
import io.restassured.specification.FilterableResponseSpecification;
import java.net.URI;
import java.util.Locale;

/// Holds each exchange to the contract. Hooked into [Server#request()], so that every test is a test of the
/// contract too.
final class ContractFilter implements Filter {

    @Override
    public Response filter(
            FilterableRequestSpecification request,
            FilterableResponseSpecification expected,
            FilterContext context) {
        Response response = context.next(request, expected);
        new Exchange(
                        request.getMethod().toUpperCase(Locale.ROOT),
                        URI.create(request.getURI()).getRawPath(),
                        response.statusCode(),
                        response::getHeader,
                        0,
                        response::asString)
                .requireContract();
        return response;
    }
}
